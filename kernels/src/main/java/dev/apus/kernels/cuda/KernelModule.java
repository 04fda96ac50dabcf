package dev.apus.kernels.cuda;

import dev.apus.kernels.cuda.ffi.CudaLaunch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Kernels that were compiled together, loaded into a device. */
final class KernelModule implements AutoCloseable {
    private final CudaDevice device;
    private final String name;
    private final long handle;
    private boolean closed;

    private KernelModule(CudaDevice device, String name, long handle) {
        this.device = device;
        this.name = name;
        this.handle = handle;
    }

    /** Loads machine code into a device; {@code name} is its source's, for messages. */
    static KernelModule load(CudaDevice device, String name, byte[] cubin) {
        device.makeCurrent();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment image = arena.allocate(cubin.length, 16);
            MemorySegment.copy(cubin, 0, image, ValueLayout.JAVA_BYTE, 0, cubin.length);
            return new KernelModule(device, name, CudaLaunch.loadModule(image));
        }
    }

    /** A kernel by name. @throws dev.apus.kernels.cuda.ffi.CudaException if the module has none of that name */
    CudaFunction function(String kernel) {
        return new CudaFunction(kernel, CudaLaunch.function(handle, kernel), device.capability() >= 90);
    }

    @Override
    public String toString() {
        return name;
    }

    /** Unloads the kernels; none of them may be running. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            device.makeCurrent();
            CudaLaunch.unloadModule(handle);
        }
    }
}
