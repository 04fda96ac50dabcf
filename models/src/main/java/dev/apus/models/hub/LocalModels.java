package dev.apus.models.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Models that lie on this machine's disks under the path that the user gave. */
final class LocalModels {
    private LocalModels() {}

    /**
     * The model at {@code text} if something is there.
     *
     * @throws HubException if what is there is no model
     */
    static Optional<Path> find(String text) {
        Path path;
        try {
            path = expand(text);
        } catch (InvalidPathException e) {
            return Optional.empty();
        }
        if (text.isBlank() || !Files.exists(path)) {
            return Optional.empty();
        }
        if (!Files.isDirectory(path)) {
            String name = path.toString();
            if (name.endsWith(".gguf") || name.endsWith(".safetensors")) {
                return Optional.of(path);
            }
            throw new HubException(path + " is no model; a folder, a .gguf or a .safetensors file is expected");
        }
        return Optional.of(inFolder(path));
    }

    /** {@code text} as a path, {@code ~} being the user's home. */
    static Path expand(String text) {
        boolean home = text.equals("~") || text.startsWith("~/") || text.startsWith("~\\");
        return home
                ? Path.of(System.getProperty("user.home"), text.length() > 2 ? text.substring(2) : "")
                : Path.of(text);
    }

    /** The folder itself if it has a configuration or safetensors, else the one GGUF file in it. */
    private static Path inFolder(Path folder) {
        List<String> names;
        try (Stream<Path> files = Files.list(folder)) {
            names = files.map(f -> f.getFileName().toString()).toList();
        } catch (IOException e) {
            throw new HubException(folder + " cannot be listed: " + e.getMessage(), e);
        }
        if (names.contains("config.json") || names.stream().anyMatch(n -> n.endsWith(".safetensors"))) {
            return folder;
        }
        var models = ModelFiles.ggufModels(names);
        if (models.size() == 1) {
            return folder.resolve(models.values().iterator().next().getFirst());
        }
        throw new HubException(folder
                + (models.isEmpty()
                        ? " has no model: neither config.json nor .safetensors nor .gguf files"
                        : " has several GGUF models; give the path of one: " + ModelFiles.list(models.keySet())));
    }
}
