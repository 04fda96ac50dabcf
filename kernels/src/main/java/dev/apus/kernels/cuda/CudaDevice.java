package dev.apus.kernels.cuda;

import dev.apus.kernels.cuda.ffi.Cuda;
import dev.apus.kernels.cuda.ffi.CudaException;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;

/**
 * One GPU: its primary context and the memory allocated in it.
 *
 * <p>A thread that launches, copies or waits must have called {@link #makeCurrent} once; {@link #open}, {@link #allocate} and the
 * factories do so themselves. Memory may be allocated from any thread.
 */
public final class CudaDevice implements AutoCloseable {
    private final int device;
    private final long context;
    private final String name;
    private final int multiprocessors;
    private final int capability;
    private final long totalMemory;
    private final long l2Bytes;
    private final int maxSharedBytes;
    private final Set<Long> allocations = new HashSet<>();
    private boolean closed;

    private CudaDevice(int device) {
        this.device = device;
        name = Cuda.deviceName(device);
        multiprocessors = Cuda.deviceAttribute(Cuda.MULTIPROCESSOR_COUNT, device);
        capability = 10 * Cuda.deviceAttribute(Cuda.COMPUTE_CAPABILITY_MAJOR, device)
                + Cuda.deviceAttribute(Cuda.COMPUTE_CAPABILITY_MINOR, device);
        totalMemory = Cuda.totalMemory(device);
        l2Bytes = Cuda.deviceAttribute(Cuda.L2_CACHE_SIZE, device);
        maxSharedBytes = Cuda.deviceAttribute(Cuda.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, device);
        context = Cuda.retainPrimaryContext(device);
    }

    /**
     * Opens a device and makes its context current in this thread.
     *
     * @param ordinal index among the devices that CUDA shows
     * @throws IllegalArgumentException if there are fewer devices
     * @throws dev.apus.kernels.cuda.ffi.NativeLinkException if there is no driver
     * @throws CudaException if the driver refuses
     */
    public static CudaDevice open(int ordinal) {
        Cuda.init();
        int count = Cuda.deviceCount();
        if (ordinal < 0 || ordinal >= count) {
            throw new IllegalArgumentException("CUDA device " + ordinal + " of " + count
                    + (count == 0
                            ? "; check nvidia-smi and CUDA_VISIBLE_DEVICES"
                            : "; 0 to " + (count - 1) + " are there"));
        }
        CudaDevice opened = new CudaDevice(Cuda.device(ordinal));
        opened.makeCurrent();
        return opened;
    }

    /** Makes the device's context this thread's. */
    public void makeCurrent() {
        Cuda.setCurrentContext(context);
    }

    /** As {@code NVIDIA H100 80GB HBM3}. */
    public String name() {
        return name;
    }

    public int multiprocessors() {
        return multiprocessors;
    }

    /** Compute capability, 10 major + minor: 90 on Hopper. */
    public int capability() {
        return capability;
    }

    /** What kernels are compiled for, as {@code sm_90a}. */
    public String architecture() {
        return architecture(capability);
    }

    /** From Hopper on, only the {@code a} variant has the tensor cores' own instructions; its code runs on that capability alone. */
    static String architecture(int capability) {
        return "sm_" + capability + (capability >= 90 ? "a" : "");
    }

    /** Bytes of device memory. */
    public long totalMemory() {
        return totalMemory;
    }

    /** Bytes of device memory that are free now, other processes' use considered. */
    public long freeMemory() {
        makeCurrent();
        return Cuda.freeMemory();
    }

    /** Bytes of the L2 cache. */
    public long l2Bytes() {
        return l2Bytes;
    }

    /** Most bytes of shared memory that a block can ask for. */
    public int maxSharedBytes() {
        return maxSharedBytes;
    }

    /**
     * Allocates device memory, with undefined contents, 256-aligned; {@link #free} or {@link #close} frees it.
     *
     * @return the device address; also for 0 bytes one that no other allocation has
     * @throws CudaException if there is not enough, naming what was wanted and what is free
     */
    public long allocate(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("cannot allocate " + bytes + " bytes");
        }
        makeCurrent();
        synchronized (allocations) {
            if (closed) {
                throw new IllegalStateException(name + " is closed");
            }
            try {
                long address = Cuda.allocate(Math.max(1, bytes));
                allocations.add(address);
                return address;
            } catch (CudaException e) {
                throw e.isOutOfMemory() ? outOfMemory(bytes, e) : e;
            }
        }
    }

    private CudaException outOfMemory(long bytes, CudaException e) {
        CudaException told = new CudaException(
                e.call(),
                e.code(),
                e.error(),
                String.format(
                        Locale.ROOT,
                        "%,d bytes wanted, %,d of %,d free on %s; lower --gpu-memory-utilization, --max-model-len or --max-num-seqs,"
                                + " or end other processes on the device",
                        bytes,
                        Cuda.freeMemory(),
                        totalMemory,
                        name));
        told.initCause(e);
        return told;
    }

    /** Frees what {@link #allocate} returned, after the device has finished its work. */
    public void free(long address) {
        synchronized (allocations) {
            if (!allocations.remove(address)) {
                throw new IllegalArgumentException("0x" + Long.toHexString(address) + " was not allocated on " + name);
            }
        }
        makeCurrent();
        Cuda.free(address);
    }

    /** A new stream; the caller closes it. */
    public CudaStream newStream() {
        makeCurrent();
        return new CudaStream(Cuda.createStream());
    }

    /** A new event; the caller closes it. */
    public CudaEvent newEvent() {
        makeCurrent();
        return new CudaEvent(Cuda.createEvent());
    }

    /**
     * Frees all memory and gives the context back. After a kernel's fault the driver refuses every call until the context is destroyed,
     * which needs more than giving it back: libraries hold it as well. So it is reset then, for the whole process.
     *
     * @throws CudaException what the driver refused; the context has been given back all the same
     */
    @Override
    public void close() {
        synchronized (allocations) {
            if (closed) {
                return;
            }
            closed = true;
            try {
                makeCurrent();
                for (long address : allocations) {
                    Cuda.free(address);
                }
            } finally {
                allocations.clear();
                Cuda.releasePrimaryContext(device);
            }
        }
    }
}
