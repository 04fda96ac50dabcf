package dev.apus.loaders;

import dev.apus.kernels.HostTensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A safetensors checkpoint, mapped: one file, or the shards that a {@code model.safetensors.index.json} lists.
 *
 * <p>Names and shapes are the file's own ({@code model.layers.0.self_attn.q_proj.weight}, {@code [out, in]}). Every dtype of the format
 * is listed; {@link #tensor} refuses those without a {@link dev.apus.kernels.DType} (F4, F6, C64). A tensor that the writer placed
 * unaligned is copied on first use. Safe for concurrent readers; after {@link #close}, tensors taken earlier throw
 * {@link IllegalStateException} on access.
 */
public final class Safetensors implements WeightSource {
    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";

    private final Path path;
    private final List<TensorTable> files;
    private final Map<String, TensorTable> where;
    private final Map<String, String> metadata;

    private Safetensors(
            Path path, List<TensorTable> files, Map<String, TensorTable> where, Map<String, String> metadata) {
        this.path = path;
        this.files = files;
        this.where = Collections.unmodifiableMap(where);
        this.metadata = metadata;
    }

    /**
     * Opens a {@code .safetensors} file, an index file ({@code *.safetensors.index.json}), or a folder with
     * {@code model.safetensors}, {@code model.safetensors.index.json} or exactly one other {@code .safetensors} file, in this order.
     *
     * @throws CheckpointException if it cannot be read, or is damaged, truncated or hostile; the message names the file, the tensor,
     *     and the fault
     */
    public static Safetensors open(Path fileOrFolder) {
        Path path = Files.isDirectory(fileOrFolder) ? choose(fileOrFolder) : fileOrFolder;
        if (path.toString().endsWith(".index.json")) {
            return openShards(fileOrFolder, SafetensorsIndex.read(path));
        }
        List<TensorTable> opened = new ArrayList<>();
        Map<String, String> metadata = new LinkedHashMap<>();
        TensorTable table = openFile(path, opened, metadata);
        Map<String, TensorTable> where = new LinkedHashMap<>();
        table.names().forEach(name -> where.put(name, table));
        return new Safetensors(path, opened, where, Collections.unmodifiableMap(metadata));
    }

    private static Path choose(Path folder) {
        for (String name : List.of(SINGLE, INDEX)) {
            if (Files.exists(folder.resolve(name))) {
                return folder.resolve(name);
            }
        }
        List<Path> found = SafetensorsIndex.filesOf(folder);
        if (found.size() == 1) {
            return found.getFirst();
        }
        String there = found.isEmpty()
                ? "no .safetensors file at all"
                : found.size() + " .safetensors files without an index ("
                        + found.getFirst().getFileName() + ", ...)";
        throw new CheckpointException(
                folder + " has neither " + SINGLE + " nor " + INDEX + "; it has " + there + ": name one file");
    }

    private static TensorTable openFile(Path path, List<TensorTable> opened, Map<String, String> metadata) {
        TensorTable opening = MappedFile.open(path, file -> {
            SafetensorsHeader header = SafetensorsHeader.read(file);
            header.metadata().forEach(metadata::putIfAbsent);
            return new TensorTable(file, header.tensors());
        });
        opened.add(opening);
        return opening;
    }

    private static Safetensors openShards(Path path, SafetensorsIndex index) {
        List<TensorTable> opened = new ArrayList<>();
        Map<String, String> metadata = new LinkedHashMap<>();
        try {
            Map<String, TensorTable> tables = new LinkedHashMap<>();
            for (String shard : index.shards()) {
                tables.put(shard, openFile(index.folder().resolve(shard), opened, metadata));
            }
            Map<String, TensorTable> where = new LinkedHashMap<>();
            index.weightMap().forEach((name, shard) -> {
                TensorTable table = tables.get(shard);
                if (table == null || table.entry(name) == null) {
                    throw new CheckpointException(index.file() + ": tensor " + Messages.quote(name)
                            + " is said to be in " + Messages.quote(shard) + ", but that file does not have it");
                }
                where.put(name, table);
            });
            return new Safetensors(path, opened, where, Collections.unmodifiableMap(metadata));
        } catch (RuntimeException | Error e) {
            opened.forEach(TensorTable::close);
            throw e;
        }
    }

    /** The {@code __metadata__} of the file; of shards, all of them, the first one's value for a key. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** The mapped files. */
    public List<Path> files() {
        return files.stream().map(table -> table.file().path()).toList();
    }

    @Override
    public Set<String> names() {
        return where.keySet();
    }

    @Override
    public HostTensor tensor(String name) {
        TensorTable table = where.get(name);
        if (table == null) {
            throw new CheckpointException(
                    path + ": there is no tensor " + Messages.quote(name) + Messages.suggestions(name, where.keySet()));
        }
        return table.tensor(name);
    }

    @Override
    public long byteSize() {
        return where.entrySet().stream()
                .mapToLong(e -> {
                    TensorEntry entry = e.getValue().entry(e.getKey());
                    return entry == null ? 0 : entry.byteSize();
                })
                .sum();
    }

    @Override
    public String description() {
        return path.toString();
    }

    @Override
    public void close() {
        files.forEach(TensorTable::close);
    }
}
