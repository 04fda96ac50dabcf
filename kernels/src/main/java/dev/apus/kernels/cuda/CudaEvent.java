package dev.apus.kernels.cuda;

import dev.apus.kernels.cuda.ffi.Cuda;

/** A place in a stream that can be waited for and whose time is kept. May be recorded again and again. */
public final class CudaEvent implements AutoCloseable {
    private final long handle;
    private boolean closed;

    CudaEvent(long handle) {
        this.handle = handle;
    }

    long handle() {
        return handle;
    }

    /** Moves the event to behind all work of the stream so far. */
    void record(CudaStream stream) {
        Cuda.recordEvent(handle, stream.handle());
    }

    /** Whether the work before the event is done; true before the first {@link #record}. */
    boolean isDone() {
        return Cuda.isEventDone(handle);
    }

    /** Waits until the work before the event is done. */
    void synchronize() {
        Cuda.synchronizeEvent(handle);
    }

    /** Milliseconds from another event to this one; both must be done. */
    float millisSince(CudaEvent start) {
        return Cuda.elapsedMillis(start.handle, handle);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            Cuda.destroyEvent(handle);
        }
    }
}
