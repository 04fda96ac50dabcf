package dev.apus.kernels.cuda.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** NVIDIA's run-time compiler of CUDA C++. Needs no device and no driver; several threads may compile at once. */
public final class Nvrtc {
    static final NativeLibrary LIBRARY = find(LibrarySearch.ofProcess());

    /** nvrtcVersion(int* major, int* minor) */
    private static final MethodHandle VERSION = status("nvrtcVersion", ADDRESS, ADDRESS);
    /** nvrtcCreateProgram(nvrtcProgram*, const char* source, const char* name, int headers, char** texts, char** names) */
    private static final MethodHandle CREATE =
            status("nvrtcCreateProgram", ADDRESS, ADDRESS, ADDRESS, JAVA_INT, ADDRESS, ADDRESS);
    /** nvrtcDestroyProgram(nvrtcProgram*) */
    private static final MethodHandle DESTROY = status("nvrtcDestroyProgram", ADDRESS);
    /** nvrtcCompileProgram(nvrtcProgram, int options, const char** options) */
    private static final MethodHandle COMPILE = status("nvrtcCompileProgram", JAVA_LONG, JAVA_INT, ADDRESS);
    /** nvrtcGetCUBINSize(nvrtcProgram, size_t*) */
    private static final MethodHandle CUBIN_SIZE = status("nvrtcGetCUBINSize", JAVA_LONG, ADDRESS);
    /** nvrtcGetCUBIN(nvrtcProgram, char*) */
    private static final MethodHandle CUBIN = status("nvrtcGetCUBIN", JAVA_LONG, ADDRESS);
    /** nvrtcGetProgramLogSize(nvrtcProgram, size_t*) */
    private static final MethodHandle LOG_SIZE = status("nvrtcGetProgramLogSize", JAVA_LONG, ADDRESS);
    /** nvrtcGetProgramLog(nvrtcProgram, char*) */
    private static final MethodHandle LOG = status("nvrtcGetProgramLog", JAVA_LONG, ADDRESS);
    /** const char* nvrtcGetErrorString(nvrtcResult) */
    private static final MethodHandle ERROR_STRING =
            LIBRARY.handle("nvrtcGetErrorString", FunctionDescriptor.of(ADDRESS, JAVA_INT));

    private static final int COMPILATION_ERROR = 6;
    private static final int MOST_TEXT = 4096;

    private Nvrtc() {}

    private static MethodHandle status(String symbol, MemoryLayout... arguments) {
        return LIBRARY.handle(symbol, FunctionDescriptor.of(JAVA_INT, arguments));
    }

    private static NativeLibrary find(LibrarySearch search) {
        NativeLibrary found = search.find("NVRTC (libnvrtc.so)", CudaVersions.sonames("libnvrtc.so"));
        String origin = found.origin();
        if (origin != null && origin.contains("/")) {
            loadBuiltins(Path.of(origin).toAbsolutePath().getParent());
        }
        return found;
    }

    /**
     * NVRTC opens its built-in headers' library by bare name at the first compilation, which the loader resolves only if that library is
     * already there or lies in a folder of the system; loading it by its full path makes every folder do.
     */
    private static void loadBuiltins(@Nullable Path folder) {
        if (folder == null) {
            return;
        }
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "libnvrtc-builtins.so.*")) {
            for (Path file : files) {
                SymbolLookup.libraryLookup(file, Arena.global()).find("");
            }
        } catch (IOException | IllegalArgumentException e) {
            // Then the first compilation fails with NVRTC's own words: "nvrtc: error: failed to open
            // libnvrtc-builtins.so".
            System.getLogger(Nvrtc.class.getName())
                    .log(
                            System.Logger.Level.WARNING,
                            "the libraries beside NVRTC in {0} cannot be loaded: {1}",
                            folder,
                            e);
        }
    }

    /** The library: whether it is there, where it came from, what was tried. */
    public static NativeLibrary library() {
        return LIBRARY;
    }

    /** {@code 13.0} of NVRTC 13.0. */
    public static String version() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment major = arena.allocate(JAVA_INT);
            MemorySegment minor = arena.allocate(JAVA_INT);
            check((int) VERSION.invokeExact(major, minor), "nvrtcVersion");
            return major.get(JAVA_INT, 0) + "." + minor.get(JAVA_INT, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /**
     * What a compilation gave.
     *
     * @param cubin machine code; null if the source has errors
     * @param log the compiler's messages, each with file and line
     */
    public record Compiled(byte @Nullable [] cubin, String log) {}

    /**
     * Compiles a source. Errors in it are in the result's log, not an exception.
     *
     * @param name the source's name in messages
     * @param headers names and texts of what it may include
     * @param options command line options; must name a real architecture ({@code sm_90a}, not {@code compute_90})
     */
    public static Compiled compile(String source, String name, Map<String, String> headers, List<String> options) {
        try (Arena arena = Arena.ofConfined()) {
            List<Map.Entry<String, String>> entries = List.copyOf(headers.entrySet());
            MemorySegment texts =
                    strings(arena, entries.stream().map(Map.Entry::getValue).toList());
            MemorySegment names =
                    strings(arena, entries.stream().map(Map.Entry::getKey).toList());
            MemorySegment program = arena.allocate(JAVA_LONG);
            int created = (int) CREATE.invokeExact(
                    program, arena.allocateFrom(source), arena.allocateFrom(name), entries.size(), texts, names);
            check(created, "nvrtcCreateProgram");
            try {
                return compile(arena, program.get(JAVA_LONG, 0), options);
            } finally {
                check((int) DESTROY.invokeExact(program), "nvrtcDestroyProgram");
            }
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    private static Compiled compile(Arena arena, long program, List<String> options) throws Throwable {
        int status = (int) COMPILE.invokeExact(program, options.size(), strings(arena, options));
        String log = new String(bytes(arena, program, LOG_SIZE, LOG, "nvrtcGetProgramLog"), StandardCharsets.UTF_8);
        String text = log.endsWith("\0") ? log.substring(0, log.length() - 1) : log;
        if (status == COMPILATION_ERROR) {
            return new Compiled(null, text);
        }
        if (status != 0) {
            throw new CudaException(
                    "nvrtcCompileProgram", status, errorName(status), text + " (options " + options + ")");
        }
        return new Compiled(bytes(arena, program, CUBIN_SIZE, CUBIN, "nvrtcGetCUBIN"), text);
    }

    private static byte[] bytes(Arena arena, long program, MethodHandle size, MethodHandle get, String call)
            throws Throwable {
        MemorySegment count = arena.allocate(JAVA_LONG);
        check((int) size.invokeExact(program, count), call + "Size");
        MemorySegment bytes = arena.allocate(Math.max(1, count.get(JAVA_LONG, 0)));
        check((int) get.invokeExact(program, bytes), call);
        return bytes.asSlice(0, count.get(JAVA_LONG, 0)).toArray(ValueLayout.JAVA_BYTE);
    }

    private static MemorySegment strings(Arena arena, List<String> values) {
        MemorySegment pointers = arena.allocate(ADDRESS, Math.max(1, values.size()));
        for (int i = 0; i < values.size(); i++) {
            pointers.setAtIndex(ADDRESS, i, arena.allocateFrom(values.get(i)));
        }
        return pointers;
    }

    private static void check(int status, String call) {
        if (status != 0) {
            throw new CudaException(call, status, errorName(status), "");
        }
    }

    private static String errorName(int status) {
        try {
            MemorySegment text = (MemorySegment) ERROR_STRING.invokeExact(status);
            return text.address() == 0
                    ? "unknown error"
                    : text.reinterpret(MOST_TEXT).getString(0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }
}
