package dev.apus.kernels.cuda;

import dev.apus.kernels.cuda.ffi.CudaException;
import dev.apus.kernels.cuda.ffi.CudaLaunch;

/** A kernel of a {@link KernelModule}, usable until that is closed. */
final class CudaFunction {
    private final String name;
    private final long handle;
    private final boolean programmatic;

    /** @param programmatic whether the device can start a kernel before the one ahead of it has ended (Hopper and later) */
    CudaFunction(String name, long handle, boolean programmatic) {
        this.name = name;
        this.handle = handle;
        this.programmatic = programmatic;
    }

    /** Lets launches ask for up to {@code bytes} bytes of dynamic shared memory; needed above 48 KB. */
    void allowShared(int bytes) {
        try {
            CudaLaunch.setFunctionAttribute(handle, CudaLaunch.MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes);
        } catch (CudaException e) {
            throw about(bytes + " bytes of dynamic shared memory", e);
        }
    }

    /**
     * Launches the kernel with the arguments set in {@code args}. With programmatic serialization where the device has it: the kernel
     * may start while the one ahead of it runs, and must call {@code wait_for_previous()} before it touches what that wrote.
     */
    void launch(CudaStream stream, int gridX, int gridY, int gridZ, int threads, int sharedBytes, LaunchArgs args) {
        try {
            CudaLaunch.launch(
                    args.config(stream.handle(), gridX, gridY, gridZ, threads, sharedBytes, programmatic),
                    handle,
                    args.pointers());
        } catch (CudaException e) {
            throw about(
                    "grid " + gridX + " x " + gridY + " x " + gridZ + ", " + threads + " threads, " + sharedBytes
                            + " bytes of shared memory, " + args.count() + " arguments",
                    e);
        }
    }

    private CudaException about(String what, CudaException e) {
        CudaException told = new CudaException(e.call(), e.code(), e.error(), "kernel " + name + " with " + what);
        told.initCause(e);
        return told;
    }

    /** Registers of a thread. */
    int registers() {
        return CudaLaunch.functionAttribute(CudaLaunch.NUM_REGS, handle);
    }

    /** Bytes of local memory of a thread: spilled registers and arrays. */
    int localBytes() {
        return CudaLaunch.functionAttribute(CudaLaunch.LOCAL_SIZE_BYTES, handle);
    }

    /** Blocks that a multiprocessor can hold at once. */
    int blocksPerMultiprocessor(int threads, int sharedBytes) {
        return CudaLaunch.occupancy(handle, threads, sharedBytes);
    }

    @Override
    public String toString() {
        return name;
    }
}
