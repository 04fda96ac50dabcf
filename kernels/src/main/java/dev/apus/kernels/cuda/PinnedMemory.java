package dev.apus.kernels.cuda;

import dev.apus.kernels.cuda.ffi.Cuda;
import dev.apus.kernels.cuda.ffi.CudaException;
import java.lang.foreign.MemorySegment;
import java.util.Locale;

/** Page-locked host memory, which the device copies from and to by itself while the host goes on. */
public final class PinnedMemory implements AutoCloseable {
    private final CudaDevice device;
    private final MemorySegment segment;
    private boolean closed;

    private PinnedMemory(CudaDevice device, MemorySegment segment) {
        this.device = device;
        this.segment = segment;
    }

    /**
     * Allocates zeroed memory; the caller closes it before the device.
     *
     * @throws dev.apus.kernels.cuda.ffi.CudaException if the system does not lock as much
     */
    public static PinnedMemory allocate(CudaDevice device, long bytes) {
        device.makeCurrent();
        MemorySegment segment;
        try {
            segment = Cuda.allocateHost(Math.max(1, bytes));
        } catch (CudaException e) {
            CudaException told = new CudaException(
                    e.call(),
                    e.code(),
                    e.error(),
                    String.format(
                            Locale.ROOT,
                            "%,d bytes of page-locked host memory wanted; give the process or its container more memory",
                            bytes));
            told.initCause(e);
            throw e.isOutOfMemory() ? told : e;
        }
        segment.fill((byte) 0);
        return new PinnedMemory(device, segment.asSlice(0, bytes));
    }

    /** The memory; must not be used after {@link #close}. */
    public MemorySegment segment() {
        return segment;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            device.makeCurrent();
            Cuda.freeHost(segment);
        }
    }
}
