package dev.apus.kernels.cuda.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Turns a status of the driver into an exception with the driver's own words. */
final class CudaStatus {
    /** Longest text that is read from the driver: its messages are sentences. */
    private static final int MOST_BYTES = 4096;

    /** cuGetErrorName(CUresult, const char** name) */
    private static final MethodHandle ERROR_NAME = text("cuGetErrorName");
    /** cuGetErrorString(CUresult, const char** text) */
    private static final MethodHandle ERROR_STRING = text("cuGetErrorString");

    private CudaStatus() {}

    private static MethodHandle text(String symbol) {
        return Cuda.LIBRARY.handle(symbol, FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS));
    }

    /** @throws CudaException if the status is not success */
    static void check(int status, String call) {
        if (status != 0) {
            throw exception(status, call, "");
        }
    }

    /**
     * @param about what the call was about
     * @throws CudaException if the status is not success
     */
    static void check(int status, String call, String about) {
        if (status != 0) {
            throw exception(status, call, about);
        }
    }

    private static CudaException exception(int status, String call, String about) {
        String message = text(ERROR_STRING, status);
        String advice = advice(status);
        StringBuilder all = new StringBuilder(about);
        for (String part : new String[] {message, advice}) {
            if (!part.isEmpty()) {
                all.append(all.isEmpty() ? "" : "; ").append(part);
            }
        }
        return new CudaException(call, status, text(ERROR_NAME, status), all.toString());
    }

    private static String text(MethodHandle handle, int status) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(ADDRESS);
            int unknown = (int) handle.invokeExact(status, result);
            MemorySegment text = result.get(ADDRESS, 0);
            return unknown != 0 || text.address() == 0
                    ? "unknown error"
                    : text.reinterpret(MOST_BYTES).getString(0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** What a user can do about the errors that are not bugs of ours. */
    private static String advice(int status) {
        return switch (status) {
            case CudaException.OUT_OF_MEMORY ->
                "lower --gpu-memory-utilization, --max-model-len or --max-num-seqs, or end other processes on the device";
            case 34 ->
                "the library that was loaded is the toolkit's stub, not the driver's: put the driver's folder first"; // STUB_LIBRARY
            case 46 -> "another process holds the device exclusively"; // DEVICE_UNAVAILABLE
            case 100 -> "no device is visible: check nvidia-smi and CUDA_VISIBLE_DEVICES"; // NO_DEVICE
            case 209, 222 ->
                "the kernel was compiled for another device or by a newer NVRTC than the driver knows"; // NO_BINARY,
            // UNSUPPORTED_PTX
            case 214 -> "an uncorrectable memory error of the device: it needs a reset"; // ECC_UNCORRECTABLE
            case 700, 717, 718, 719 ->
                "a kernel went wrong; the context cannot be used any longer"; // ILLEGAL_ADDRESS ... LAUNCH_FAILED
            case 803 ->
                "the driver's library and its kernel module are of different versions: reboot or reload"; // SYSTEM_DRIVER_MISMATCH
            default -> "";
        };
    }
}
