package dev.apus.server.cli;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.util.List;

/** The C library's functions that put another program in this process's place. For Linux. */
final class LibC {
    /** fcntl: the descriptor's flags are to be set. */
    private static final int F_SETFD = 2;
    /** The flag of a descriptor that a new program does not inherit. */
    private static final int FD_CLOEXEC = 1;
    /** errno: there is no such descriptor. */
    private static final int EBADF = 9;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));
    private static final Linker.Option KEEP_ERRNO = Linker.Option.captureCallState("errno");

    /** {@code int setenv(const char *name, const char *value, int overwrite)}. */
    private static final MethodHandle SETENV = handle(
            "setenv",
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT),
            KEEP_ERRNO);

    /** {@code int fcntl(int fd, int op, ... int arg)}. */
    private static final MethodHandle FCNTL = handle(
            "fcntl",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT),
            KEEP_ERRNO,
            Linker.Option.firstVariadicArg(2));

    /** {@code int execv(const char *path, char *const argv[])}. */
    private static final MethodHandle EXECV = handle(
            "execv", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS), KEEP_ERRNO);

    /** {@code char *strerror(int errnum)}. */
    private static final MethodHandle STRERROR =
            handle("strerror", FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.JAVA_INT));

    private LibC() {}

    private static MethodHandle handle(String name, FunctionDescriptor type, Linker.Option... options) {
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), type, options);
    }

    /**
     * Sets a variable of the environment that the next program gets; {@link System#getenv} does not see it.
     *
     * @throws IOException if the system refuses
     */
    static void setEnvironment(String name, String value) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(STATE);
            int status;
            try {
                status = (int) SETENV.invokeExact(state, arena.allocateFrom(name), arena.allocateFrom(value), 1);
            } catch (Throwable t) {
                throw new IllegalStateException("setenv could not be called", t);
            }
            if (status != 0) {
                throw failure("setenv " + name, state);
            }
        }
    }

    /**
     * Has a descriptor closed when another program takes this process's place; one that is closed already is no error.
     *
     * @throws IOException if the system refuses
     */
    static void closeOnExec(int descriptor) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(STATE);
            int status;
            try {
                status = (int) FCNTL.invokeExact(state, descriptor, F_SETFD, FD_CLOEXEC);
            } catch (Throwable t) {
                throw new IllegalStateException("fcntl could not be called", t);
            }
            if (status != 0 && (int) ERRNO.get(state, 0L) != EBADF) {
                throw failure("fcntl of descriptor " + descriptor, state);
            }
        }
    }

    /**
     * Puts a program in this process's place. Returns never: all threads end at once, without exit hooks.
     *
     * @param arguments the first is the program's name as it sees it; without NUL bytes
     * @return why it failed
     */
    static IOException exec(String path, List<byte[]> arguments) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(STATE);
            // The last pointer is null.
            MemorySegment pointers = arena.allocate(ValueLayout.ADDRESS, arguments.size() + 1L);
            for (int i = 0; i < arguments.size(); i++) {
                byte[] argument = arguments.get(i);
                MemorySegment text = arena.allocate(argument.length + 1L);
                MemorySegment.copy(argument, 0, text, ValueLayout.JAVA_BYTE, 0, argument.length);
                pointers.setAtIndex(ValueLayout.ADDRESS, i, text);
            }
            MemorySegment name = arena.allocateFrom(path);
            try {
                int status = (int) EXECV.invokeExact(state, name, pointers);
                assert status == -1;
            } catch (Throwable t) {
                throw new IllegalStateException("execv could not be called", t);
            }
            return failure("execv " + path, state);
        }
    }

    private static IOException failure(String call, MemorySegment state) {
        int error = (int) ERRNO.get(state, 0L);
        return new IOException(call + " failed: " + describe(error) + " (errno " + error + ")");
    }

    private static String describe(int error) {
        try {
            MemorySegment text = (MemorySegment) STRERROR.invokeExact(error);
            return text.reinterpret(Long.MAX_VALUE).getString(0);
        } catch (Throwable t) {
            throw new IllegalStateException("strerror could not be called", t);
        }
    }
}
