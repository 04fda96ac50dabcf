package dev.apus.kernels.cuda.ffi;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Tells which file a library that was opened by soname came from, by the process' memory map. */
final class MappedFiles {
    private static final Path MAPS = Path.of("/proc/self/maps");

    private MappedFiles() {}

    /** The mapped file whose name begins with that of {@code library}, which links may lead to; {@code library} if there is none. */
    static String find(String library) {
        if (library.contains("/") || !Files.isReadable(MAPS)) {
            return library;
        }
        try (Stream<String> lines = Files.lines(MAPS, StandardCharsets.ISO_8859_1)) {
            return lines.filter(line -> line.indexOf('/') >= 0)
                    .map(line -> line.substring(line.indexOf('/')))
                    .filter(file -> matches(file.substring(file.lastIndexOf('/') + 1), library))
                    .findFirst()
                    .orElse(library);
        } catch (IOException e) {
            return library; // the soname says less, but is right
        }
    }

    /** {@code libcuda.so.1} is a link to {@code libcuda.so.580.159}, so versions are not compared. */
    private static boolean matches(String file, String soname) {
        return file.startsWith(soname.substring(0, soname.indexOf(".so") + 3));
    }
}
