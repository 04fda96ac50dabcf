package dev.apus.kernels.cuda.ffi;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A native library that may be missing.
 *
 * <p>Handles of a missing library or symbol can be made all the same: they throw {@link NativeLinkException} when called, so a program
 * starts with an old driver or without one and fails only where it needs what is not there. Calls are plain downcalls, never critical:
 * a call that waits for the device must not hold up the garbage collector.
 */
public final class NativeLibrary {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final MethodHandle MISSING = missingHandle();

    private final String name;
    private final @Nullable SymbolLookup symbols;
    private final @Nullable String origin;
    private final List<String> attempts;

    /**
     * @param name what the library is called in messages, as {@code NVRTC (libnvrtc.so)}
     * @param symbols null if the library was not found
     * @param origin file it came from, or the soname that the system resolved; null if it was not found
     * @param attempts what was tried, in order, and why it was no success
     */
    NativeLibrary(String name, @Nullable SymbolLookup symbols, @Nullable String origin, List<String> attempts) {
        this.name = name;
        this.symbols = symbols;
        this.origin = origin;
        this.attempts = List.copyOf(attempts);
    }

    private static MethodHandle missingHandle() {
        try {
            return MethodHandles.lookup()
                    .findStatic(
                            NativeLibrary.class,
                            "missing",
                            MethodType.methodType(NativeLinkException.class, String.class));
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("NativeLibrary lost a method", e);
        }
    }

    @SuppressWarnings("UnusedMethod") // called through MISSING
    private static NativeLinkException missing(String message) {
        return new NativeLinkException(message);
    }

    public boolean isPresent() {
        return symbols != null;
    }

    /** The file that the library came from, or the soname that the system resolved; null if it is missing. */
    public @Nullable String origin() {
        return origin;
    }

    /** What was tried before the library was found, or all that was tried if it was not. */
    public List<String> attempts() {
        return attempts;
    }

    /** Why the library cannot be used, with what was tried and how to get it; null if it is there. */
    public @Nullable String obstacle() {
        return symbols != null ? null : name + " was not found; tried " + String.join(", ", attempts);
    }

    /** Whether the library is there and has the function. */
    public boolean has(String symbol) {
        return symbols != null && symbols.find(symbol).isPresent();
    }

    /** A handle of a C function; one that throws {@link NativeLinkException} if there is no such function here. */
    MethodHandle handle(String symbol, FunctionDescriptor type) {
        Optional<MemorySegment> address = symbols == null ? Optional.empty() : symbols.find(symbol);
        if (address.isPresent()) {
            return LINKER.downcallHandle(address.get(), type);
        }
        String reason = symbols == null
                ? symbol + " cannot be called: " + obstacle()
                : symbol + " cannot be called: " + name + " from " + origin
                        + " has no such function; a newer one is needed";
        MethodType method = type.toMethodType();
        MethodHandle thrower = MethodHandles.throwException(method.returnType(), NativeLinkException.class);
        MethodHandle failing = MethodHandles.foldArguments(thrower, MISSING.bindTo(reason));
        return MethodHandles.dropArguments(failing, 0, method.parameterList());
    }

    /** Rethrows what a handle threw: our own errors as they are, anything else as a bug. */
    static RuntimeException unexpected(Throwable thrown) {
        switch (thrown) {
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException("a native call threw", thrown);
        }
    }
}
