package dev.apus.kernels.cuda.ffi;

/** A call into the CUDA driver, NVRTC or cuBLASLt that returned an error. */
public final class CudaException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** {@code CUDA_ERROR_OUT_OF_MEMORY}. */
    public static final int OUT_OF_MEMORY = 2;

    private final String call;
    private final int code;
    private final String error;

    /**
     * @param call C name of the function
     * @param code what it returned
     * @param error the library's name of the code, as {@code CUDA_ERROR_OUT_OF_MEMORY}
     * @param message what happened and, where known, what to do
     */
    public CudaException(String call, int code, String error, String message) {
        super(call + " failed: " + error + " (" + code + ")" + (message.isEmpty() ? "" : ": " + message));
        this.call = call;
        this.code = code;
        this.error = error;
    }

    /** C name of the function that failed. */
    public String call() {
        return call;
    }

    /** The status that it returned; codes of the three libraries are unrelated. */
    public int code() {
        return code;
    }

    /** The library's name of the status. */
    public String error() {
        return error;
    }

    /** Whether the driver had no memory left. Everything else than that leaves a context that may be unusable. */
    public boolean isOutOfMemory() {
        return code == OUT_OF_MEMORY && error.startsWith("CUDA_");
    }
}
