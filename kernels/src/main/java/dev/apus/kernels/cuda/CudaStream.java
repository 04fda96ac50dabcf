package dev.apus.kernels.cuda;

import dev.apus.kernels.cuda.ffi.Cuda;
import dev.apus.kernels.cuda.ffi.CudaException;
import dev.apus.kernels.cuda.ffi.CudaLaunch;
import java.lang.foreign.MemorySegment;

/**
 * A queue of work for a device, done in order. Every method but {@link #synchronize} returns at once; the calling thread must have the
 * device current.
 */
public final class CudaStream implements AutoCloseable {
    private final long handle;
    private boolean closed;

    CudaStream(long handle) {
        this.handle = handle;
    }

    /** The {@code CUstream}, for libraries. */
    long handle() {
        return handle;
    }

    /**
     * Waits until all work so far is done.
     *
     * @throws CudaException also for what earlier work did wrong
     */
    void synchronize() {
        Cuda.synchronizeStream(handle);
    }

    /** Copies to the device. {@code pinned} must stay unchanged until the copy is done; memory that is not pinned makes the call wait */
    void upload(long device, MemorySegment pinned, long bytes) {
        checkSize(pinned, bytes);
        Cuda.upload(device, pinned, bytes, handle);
    }

    /** Copies from the device. {@code pinned} holds the bytes once the copy is done; memory that is not pinned makes the call wait */
    void download(MemorySegment pinned, long device, long bytes) {
        checkSize(pinned, bytes);
        Cuda.download(pinned, device, bytes, handle);
    }

    private static void checkSize(MemorySegment host, long bytes) {
        if (bytes < 0 || bytes > host.byteSize()) {
            throw new IllegalArgumentException(
                    "cannot copy " + bytes + " bytes: the host's memory has " + host.byteSize());
        }
    }

    /** Copies within the device. */
    void copy(long to, long from, long bytes) {
        Cuda.copy(to, from, bytes, handle);
    }

    /** Sets bytes of device memory. */
    void fill(long device, byte value, long bytes) {
        Cuda.fill(device, value, bytes, handle);
    }

    /** Makes later work wait for an event, of this or of another stream. */
    void await(CudaEvent event) {
        Cuda.streamWaitEvent(handle, event.handle());
    }

    /** From here on work is recorded and not done, until {@link #endCapture} or {@link #abandonCapture}. Nothing may be allocated. */
    void beginCapture() {
        CudaLaunch.beginCapture(handle);
    }

    /** Ends the recording and brings it to the device; the caller closes the graph. */
    CudaGraph endCapture() {
        long graph = CudaLaunch.endCapture(handle);
        if (graph == 0) {
            throw new IllegalStateException("the capture of a CUDA stream was made invalid by a call in it");
        }
        try {
            long executable = CudaLaunch.instantiateGraph(graph);
            try {
                CudaLaunch.uploadGraph(executable, handle);
            } catch (RuntimeException e) {
                CudaLaunch.destroyGraphExec(executable);
                throw e;
            }
            return new CudaGraph(executable);
        } finally {
            CudaLaunch.destroyGraph(graph);
        }
    }

    /** Ends a recording that went wrong and forgets it; does nothing if none is under way. */
    void abandonCapture() {
        if (!CudaLaunch.isCapturing(handle)) {
            return;
        }
        try {
            long graph = CudaLaunch.endCapture(handle);
            if (graph != 0) {
                CudaLaunch.destroyGraph(graph);
            }
        } catch (CudaException e) {
            // An invalid capture ends with an error that the caller knows already; what counts is that it has ended.
            if (CudaLaunch.isCapturing(handle)) {
                throw e;
            }
        }
    }

    /** Replays a recording. */
    void launch(CudaGraph graph) {
        CudaLaunch.launchGraph(graph.handle(), handle);
    }

    /** Lets the stream go once its work is done; does not wait for that. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            Cuda.destroyStream(handle);
        }
    }
}
