package dev.apus.models;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What a model is called that lies at a path: as people call it, and good in a URL and on a command line. */
public final class ModelName {
    private static final Pattern SUFFIX = Pattern.compile("\\.(gguf|safetensors)$");
    /** A repository's folder in a hub's cache, which holds snapshots called by commits. */
    private static final String REPOSITORY = "models--";

    private static final Pattern ESCAPES = Pattern.compile(".*%[0-9A-Fa-f]{2}.*");
    private static final Pattern UNFIT = Pattern.compile("[^\\p{L}\\p{N}._:@+=-]+");

    private ModelName() {}

    /**
     * The name of the file or folder without the suffix; of a hub's cached snapshot the repository's, {@code org/name}. What a URL would have
     * to escape becomes a hyphen.
     */
    public static String of(Path path) {
        Path whole = path.toAbsolutePath().normalize();
        Path last = whole.getFileName();
        if (last == null) {
            return "model";
        }
        String repository = repository(whole);
        if (repository != null) {
            return repository;
        }
        String name = last.toString();
        if (ESCAPES.matcher(name).matches()) {
            // A path inside a package, escaped so that it is one folder's name.
            String inside = URLDecoder.decode(name.replaceAll("%(?![0-9A-Fa-f]{2})", "%25"), StandardCharsets.UTF_8);
            name = inside.substring(inside.lastIndexOf('/') + 1);
        }
        String fit = UNFIT.matcher(SUFFIX.matcher(name).replaceFirst("")).replaceAll("-");
        return fit.isEmpty() ? "model" : fit;
    }

    /** The repository whose snapshot a folder is; null if it is none. */
    private static @Nullable String repository(Path folder) {
        Path snapshots = folder.getParent();
        Path repository = snapshots == null ? null : snapshots.getParent();
        Path name = repository == null ? null : repository.getFileName();
        return snapshots != null
                        && name != null
                        && snapshots.endsWith("snapshots")
                        && name.toString().startsWith(REPOSITORY)
                ? name.toString().substring(REPOSITORY.length()).replace("--", "/")
                : null;
    }
}
