package dev.apus.models;

import dev.apus.loaders.CheckpointException;
import dev.apus.loaders.GgufFile;
import dev.apus.loaders.Safetensors;
import dev.apus.loaders.WeightSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A model on disk: its configuration, its tensors, and what the files beside them say about generating.
 *
 * <p>Opening maps the tensors without reading them. Safe for concurrent readers until {@link #close}.
 */
public final class Checkpoint implements AutoCloseable {
    private final Path path;
    private final DecoderConfig config;
    private final WeightSource weights;
    private final ModelSettings settings;

    private Checkpoint(Path path, DecoderConfig config, WeightSource weights, ModelSettings settings) {
        this.path = path;
        this.config = config;
        this.weights = weights;
        this.settings = settings;
    }

    /**
     * Opens a Hugging Face folder (config.json beside safetensors), a folder with exactly one {@code .gguf} file, a {@code .gguf} file,
     * or a {@code .safetensors} file with config.json beside it.
     *
     * @throws CheckpointException if it is none of these, damaged, of an unknown architecture or quantised in a way that cannot be
     *     loaded; the message names the file, the key and what is allowed
     */
    public static Checkpoint open(Path folderOrFile) {
        if (!Files.exists(folderOrFile)) {
            throw new CheckpointException(folderOrFile + " does not exist");
        }
        if (!Files.isDirectory(folderOrFile)) {
            String name = folderOrFile.toString();
            if (name.endsWith(".gguf")) {
                return openGguf(folderOrFile);
            }
            if (name.endsWith(".safetensors") || name.endsWith(".safetensors.index.json")) {
                return openFolder(folderOrFile.toAbsolutePath().getParent(), folderOrFile);
            }
            throw new CheckpointException(
                    folderOrFile + " is no checkpoint; a folder, a .gguf file or a .safetensors file is expected");
        }
        if (Files.exists(folderOrFile.resolve("config.json"))) {
            return openFolder(folderOrFile, folderOrFile);
        }
        List<Path> gguf = ggufFiles(folderOrFile);
        if (gguf.size() == 1) {
            return openGguf(gguf.getFirst());
        }
        throw new CheckpointException(folderOrFile + " has no config.json and " + gguf.size()
                + " .gguf files; a Hugging Face folder or exactly one .gguf file is expected"
                + (gguf.isEmpty() ? "" : ": name one file"));
    }

    /**
     * Opens a Hugging Face folder of which config.json alone is needed: the tensors are {@link DummyWeights} in the shapes that it
     * describes. Other settings are read where their files are there.
     *
     * @throws CheckpointException if there is no config.json, or it is of an unknown architecture
     */
    public static Checkpoint openDummy(Path folder) {
        Path file = folder.resolve("config.json");
        if (!Files.isRegularFile(file)) {
            throw new CheckpointException(folder + " has no config.json, which says the shapes of dummy weights;"
                    + " give a folder that has one, or load the model's own weights");
        }
        JsonFiles json = new JsonFiles();
        ConfigReader keys = new ConfigReader(file.toString(), json.object(file), Map.of());
        DecoderConfig config = ConfigFiles.config(keys);
        ModelSettings settings = FolderSettings.read(folder, json, keys);
        return new Checkpoint(folder, config, new DummyWeights(config, folder + " (dummy weights)"), settings);
    }

    private static List<Path> ggufFiles(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".gguf"))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new CheckpointException(folder + " cannot be listed: " + e.getMessage(), e);
        }
    }

    private static Checkpoint openFolder(@Nullable Path folder, Path weights) {
        Path home = folder == null ? Path.of(".") : folder;
        JsonFiles json = new JsonFiles();
        Map<String, Object> values = json.object(home.resolve("config.json"));
        ConfigReader keys = new ConfigReader(home.resolve("config.json").toString(), values, Map.of());
        DecoderConfig config = ConfigFiles.config(keys);
        ModelSettings settings = FolderSettings.read(home, json, keys);
        return new Checkpoint(weights, config, Safetensors.open(weights), settings);
    }

    private static Checkpoint openGguf(Path file) {
        GgufFile gguf = GgufFile.open(file);
        try {
            return new Checkpoint(file, ConfigFiles.config(gguf), gguf, GgufSettings.read(file, gguf));
        } catch (RuntimeException e) {
            gguf.close();
            throw e;
        }
    }

    public DecoderConfig config() {
        return config;
    }

    /** The tensors; closed with this checkpoint. */
    public WeightSource weights() {
        return weights;
    }

    /** What was opened: a folder or a file. */
    public Path path() {
        return path;
    }

    public boolean isGguf() {
        return weights instanceof GgufFile;
    }

    /** The GGUF file, or null if the checkpoint is none. */
    public @Nullable GgufFile gguf() {
        return weights instanceof GgufFile gguf ? gguf : null;
    }

    /** Sampling defaults of the model's makers by vLLM's names ({@code temperature}, {@code top_k}, ...); empty if there are none. */
    public Map<String, Double> generationDefaults() {
        return settings.generationDefaults();
    }

    /** Ids that end an answer. */
    public Set<Integer> eosIds() {
        return settings.eosIds();
    }

    /** The Jinja chat template, or null if there is none. */
    public @Nullable String chatTemplate() {
        return settings.chatTemplate();
    }

    /** Strings that templates refer to: {@code bos_token}, {@code eos_token}, {@code pad_token}, {@code unk_token}. */
    public Map<String, String> templateVariables() {
        return settings.templateVariables();
    }

    /** The model's name: {@link ModelName} of its folder or file. */
    public String name() {
        return settings.name();
    }

    @Override
    public void close() {
        weights.close();
    }
}
