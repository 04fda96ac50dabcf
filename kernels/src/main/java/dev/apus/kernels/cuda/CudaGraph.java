package dev.apus.kernels.cuda;

import dev.apus.kernels.cuda.ffi.CudaLaunch;

/** A recording of launches, made by {@link CudaStream#endCapture} and replayed by {@link CudaStream#launch(CudaGraph)}. */
final class CudaGraph implements AutoCloseable {
    private final long handle;
    private boolean closed;

    CudaGraph(long handle) {
        this.handle = handle;
    }

    long handle() {
        return handle;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            CudaLaunch.destroyGraphExec(handle);
        }
    }
}
