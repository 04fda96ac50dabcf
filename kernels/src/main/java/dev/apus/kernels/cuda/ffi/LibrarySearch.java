package dev.apus.kernels.cuda.ffi;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Where NVIDIA's libraries are looked for: the explicit setting, the system by soname, folders of CUDA toolkits, folders of Python wheels,
 * the folder that {@code apus doctor --fetch-cuda} fills. The first hit wins; of several versions in one place the first soname does.
 *
 * @param setting folders or files, most wanted first; each is tried with its {@code lib64} and {@code lib}
 * @param system whether the system's loader is asked for the soname
 * @param toolkits CUDA toolkit folders
 * @param pythons prefixes of Python installations and environments, the parents of {@code lib/python3*}
 * @param fetched folder of fetched libraries
 */
public record LibrarySearch(List<Path> setting, boolean system, List<Path> toolkits, List<Path> pythons, Path fetched) {
    /** System property, or {@value #VARIABLE} in the environment: folders or files, separated by colons. */
    public static final String PROPERTY = "apus.cuda.path";

    public static final String VARIABLE = "APUS_CUDA_PATH";

    /** Folders below {@code site-packages/nvidia} that hold our libraries: one a toolkit from CUDA 13, one a library before. */
    private static final List<String> WHEEL_FOLDERS = List.of("cu13/lib", "cuda_nvrtc/lib", "cublas/lib", "cu12/lib");

    public LibrarySearch {
        setting = List.copyOf(setting);
        toolkits = List.copyOf(toolkits);
        pythons = List.copyOf(pythons);
    }

    /** The search of this process: its settings and environment, this machine's folders. */
    public static LibrarySearch ofProcess() {
        return of(System.getenv(), System.getProperty(PROPERTY), Path.of("/"), ApusCache.folder());
    }

    /**
     * A search with everything given.
     *
     * @param property value of {@value #PROPERTY}, or null
     * @param root the file system's root; another folder in tests
     * @param cache Apus' cache folder
     */
    static LibrarySearch of(Map<String, String> environment, @Nullable String property, Path root, Path cache) {
        String wanted = property != null ? property : environment.getOrDefault(VARIABLE, "");
        List<Path> setting = Stream.of(wanted.split(":"))
                .filter(s -> !s.isBlank())
                .map(Path::of)
                .toList();
        List<Path> toolkits = new ArrayList<>();
        addVariable(toolkits, environment, "CUDA_HOME");
        addVariable(toolkits, environment, "CUDA_PATH");
        toolkits.addAll(children(root.resolve("usr/local"), "cuda*"));
        toolkits.addAll(children(root.resolve("opt"), "cuda*"));
        List<Path> pythons = new ArrayList<>();
        addVariable(pythons, environment, "VIRTUAL_ENV");
        addVariable(pythons, environment, "CONDA_PREFIX");
        String home = environment.get("HOME");
        if (home != null) {
            pythons.add(Path.of(home, ".local"));
            pythons.add(Path.of(home, ".venv"));
        }
        pythons.add(root.resolve("usr/local"));
        pythons.add(root.resolve("usr"));
        for (Path folder : children(root.resolve("opt"), "*")) {
            pythons.add(folder);
            pythons.add(folder.resolve(".venv"));
            pythons.add(folder.resolve("venv"));
        }
        return new LibrarySearch(setting, true, toolkits, pythons, fetchedFolder(cache));
    }

    /** Where {@code apus doctor --fetch-cuda} puts libraries. */
    public static Path fetchedFolder(Path cache) {
        return cache.resolve("natives").resolve("cuda");
    }

    private static void addVariable(List<Path> paths, Map<String, String> environment, String name) {
        String value = environment.get(name);
        if (value != null && !value.isBlank()) {
            paths.add(Path.of(value));
        }
    }

    /**
     * Looks for a library. Never throws for a missing one.
     *
     * @param name what it is called in messages
     * @param sonames file names that will do, best first
     */
    public NativeLibrary find(String name, List<String> sonames) {
        List<String> attempts = new ArrayList<>();
        for (Path path : setting) {
            NativeLibrary found = inSetting(name, sonames, path, attempts);
            if (found != null) {
                return found;
            }
        }
        for (String soname : system ? sonames : List.<String>of()) {
            NativeLibrary found = open(name, soname, attempts);
            if (found != null) {
                return found;
            }
        }
        List<Path> folders = new ArrayList<>();
        toolkits.forEach(folder -> folders.addAll(toolkitFolders(folder)));
        pythons.forEach(prefix -> folders.addAll(wheelFolders(prefix)));
        folders.add(fetched);
        for (Path folder : folders) {
            NativeLibrary found = inFolder(name, sonames, folder, attempts);
            if (found != null) {
                return found;
            }
        }
        int places = folders.size();
        attempts.add(places + (places == 1 ? " folder" : " folders")
                + " of CUDA toolkits, Python wheels and fetched libraries (" + fetched + " the last)");
        return new NativeLibrary(name, null, null, attempts);
    }

    private static List<Path> toolkitFolders(Path toolkit) {
        return List.of(toolkit.resolve("lib64"), toolkit.resolve("targets/x86_64-linux/lib"), toolkit.resolve("lib"));
    }

    private static List<Path> wheelFolders(Path prefix) {
        List<Path> folders = new ArrayList<>();
        for (Path python : children(prefix.resolve("lib"), "python3*")) {
            for (String packages : List.of("site-packages", "dist-packages")) {
                Path nvidia = python.resolve(packages).resolve("nvidia");
                if (Files.isDirectory(nvidia)) {
                    WHEEL_FOLDERS.forEach(folder -> folders.add(nvidia.resolve(folder)));
                }
            }
        }
        return folders;
    }

    /** A setting may name the library's file, a folder of libraries, a toolkit or a Python prefix. */
    private static @Nullable NativeLibrary inSetting(
            String name, List<String> sonames, Path path, List<String> attempts) {
        if (Files.isRegularFile(path)) {
            String file = path.getFileName().toString();
            String base = sonames.getFirst().substring(0, sonames.getFirst().indexOf(".so"));
            return file.startsWith(base + ".") ? open(name, path.toString(), attempts) : null;
        }
        if (!Files.isDirectory(path)) {
            attempts.add(path + " of " + PROPERTY + " (there is no such file or folder)");
            return null;
        }
        List<Path> folders = new ArrayList<>();
        folders.add(path);
        folders.addAll(toolkitFolders(path));
        folders.addAll(wheelFolders(path));
        for (Path folder : folders) {
            NativeLibrary found = inFolder(name, sonames, folder, attempts);
            if (found != null) {
                return found;
            }
        }
        attempts.add(path + " of " + PROPERTY + " (holds no " + String.join(" or ", sonames) + ")");
        return null;
    }

    private static @Nullable NativeLibrary inFolder(
            String name, List<String> sonames, Path folder, List<String> attempts) {
        for (String soname : sonames) {
            Path file = folder.resolve(soname);
            if (Files.isRegularFile(file)) {
                NativeLibrary found = open(name, file.toString(), attempts);
                if (found != null) {
                    return found;
                }
            }
        }
        return null;
    }

    /** Opens a file or, where the name has no slash, asks the system for the soname. */
    private static @Nullable NativeLibrary open(String name, String file, List<String> attempts) {
        try {
            SymbolLookup symbols = file.contains("/")
                    ? SymbolLookup.libraryLookup(Path.of(file), Arena.global())
                    : SymbolLookup.libraryLookup(file, Arena.global());
            return new NativeLibrary(name, symbols, MappedFiles.find(file), attempts);
        } catch (IllegalArgumentException e) {
            attempts.add(file.contains("/") ? file + " (" + e.getMessage() + ")" : file + " from the system");
            return null;
        }
    }

    /** Sub-folders that match a glob, the last name first: newer versions before older ones. */
    private static List<Path> children(Path folder, String glob) {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        List<Path> found = new ArrayList<>();
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder, glob)) {
            stream.forEach(child -> {
                if (Files.isDirectory(child)) {
                    found.add(child);
                }
            });
        } catch (IOException e) {
            return List.of(); // an unreadable folder holds nothing that could be loaded
        }
        found.sort(
                (a, b) -> b.getFileName().toString().compareTo(a.getFileName().toString()));
        return found;
    }
}
