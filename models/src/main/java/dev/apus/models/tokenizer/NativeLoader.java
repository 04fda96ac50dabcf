package dev.apus.models.tokenizer;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Loads the native tokenizer library out of the jar on the class path.
 *
 * <p>DJL's own loader is bypassed: on a machine with a CUDA runtime it would look for, and download, a GPU build that tokenising does
 * not need. Here nothing is printed and nothing is fetched. The library is unpacked into a private temporary folder and, where the
 * system allows, unlinked once it is mapped, so that a read-only home or another user's files cannot matter.
 */
final class NativeLoader {
    private static final Map<String, List<String>> LIBRARIES = Map.of(
            "linux-x86_64", List.of("libtokenizers.so"),
            "linux-aarch64", List.of("libtokenizers.so"),
            "osx-aarch64", List.of("libtokenizers.dylib"),
            "win-x86_64", List.of("libwinpthread-1.dll", "libgcc_s_seh-1.dll", "libstdc++-6.dll", "tokenizers.dll"));

    private NativeLoader() {}

    /** Loads once per process; every later call is a field read. @return what failed, each time; null if the library is loaded */
    static @Nullable String failure() {
        return Outcome.FAILURE;
    }

    /** @throws TokenizerException if the library cannot be loaded, saying what failed, each time */
    static void ensureLoaded() {
        String failure = failure();
        if (failure != null) {
            throw new TokenizerException(failure);
        }
    }

    /** The class initialiser runs the load exactly once, under the JVM's lock. */
    private static final class Outcome {
        /** What failed, or null. */
        static final @Nullable String FAILURE = attempt();

        private static @Nullable String attempt() {
            try {
                load(platform(System.getProperty("os.name", ""), System.getProperty("os.arch", "")));
                return null;
            } catch (TokenizerException e) {
                return String.valueOf(e.getMessage());
            }
        }
    }

    /** The name under which the jar keeps the platform's libraries. */
    static String platform(String osName, String osArch) {
        String os = osName.toLowerCase(Locale.ROOT);
        String prefix =
                os.startsWith("linux") ? "linux" : os.startsWith("mac") ? "osx" : os.startsWith("win") ? "win" : os;
        String arch =
                switch (osArch.toLowerCase(Locale.ROOT)) {
                    case "amd64", "x86_64" -> "x86_64";
                    case "arm64", "aarch64" -> "aarch64";
                    default -> osArch;
                };
        return prefix + "-" + arch;
    }

    static void load(String platform) {
        List<String> names = LIBRARIES.get(platform);
        if (names == null) {
            throw new TokenizerException(
                    "no native tokenizer library for this platform, " + platform + "; there is one for "
                            + LIBRARIES.keySet().stream().sorted().toList());
        }
        Path folder = null;
        try {
            folder = Files.createTempDirectory("apus-tokenizers-");
            for (String name : names) {
                Path file = folder.resolve(name);
                unpack("/native/lib/" + platform + "/cpu/" + name, file);
                System.load(file.toString());
            }
        } catch (IOException e) {
            throw new TokenizerException(
                    "cannot unpack the native tokenizer library into "
                            + (folder == null ? System.getProperty("java.io.tmpdir") : folder) + ": " + e
                            + "; point -Djava.io.tmpdir to a writable folder with 20 MB free",
                    e);
        } catch (UnsatisfiedLinkError e) {
            throw new TokenizerException(
                    "cannot load the native tokenizer library for " + platform + ": " + e.getMessage()
                            + "; it needs glibc and libstdc++ 6, and a temporary folder that is not mounted noexec (-Djava.io.tmpdir)",
                    e);
        } finally {
            delete(folder, names);
        }
    }

    private static void unpack(String resource, Path file) throws IOException {
        try (InputStream in = TokenizersLibrary.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new TokenizerException("the tokenizers jar on the class path has no " + resource);
            }
            Files.copy(in, file, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** A mapped library needs no name on Unix; Windows keeps it locked, so there it goes when the process ends. */
    private static void delete(@Nullable Path folder, List<String> names) {
        if (folder == null) {
            return;
        }
        try {
            for (String name : names) {
                Files.deleteIfExists(folder.resolve(name));
            }
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            folder.toFile().deleteOnExit();
            names.forEach(name -> folder.resolve(name).toFile().deleteOnExit());
        }
    }
}
