package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Device memory full of random numbers in (-1, 1), as bf16 and as float32 alike: a GPU draws less power, and so runs faster, on zeros.
 */
final class NoiseMemory implements AutoCloseable {
    /** Bytes of the block that is copied over and over. */
    private static final int BLOCK_BYTES = 16 << 20;

    private final CudaDevice device;
    private final CudaStream stream;
    private final long noise;
    private final List<Long> taken = new ArrayList<>();

    NoiseMemory(CudaDevice device, CudaStream stream) {
        this.device = device;
        this.stream = stream;
        noise = device.allocate(BLOCK_BYTES);
        SplittableRandom random = new SplittableRandom(1);
        try (PinnedMemory block = PinnedMemory.allocate(device, BLOCK_BYTES)) {
            for (int i = 0; i < BLOCK_BYTES / 2; i++) {
                // Two of them one after the other are a float32 too, whose upper half the second is.
                short value = WeightUploader.bf16(random.nextInt() * 0x1p-31f);
                block.segment().setAtIndex(ValueLayout.JAVA_SHORT, i, value);
            }
            stream.upload(noise, block.segment(), BLOCK_BYTES);
            stream.synchronize();
        }
    }

    /** Allocates memory, filled; until {@link #release}. */
    long take(long bytes) {
        long address = device.allocate(bytes);
        taken.add(address);
        for (long at = 0; at < bytes; at += BLOCK_BYTES) {
            stream.copy(address + at, noise, Math.min(BLOCK_BYTES, bytes - at));
        }
        return address;
    }

    CudaTensor tensor(DType dtype, long... shape) {
        CudaTensor sized = new CudaTensor(dtype, shape, 0);
        return new CudaTensor(dtype, shape, take(sized.byteSize()));
    }

    CudaLinear linear(DType dtype, int out, int in) {
        return new CudaLinear(dtype, out, in, take(dtype.byteSize((long) out * in)), 0);
    }

    /** Frees what was taken, after the device has ended its work. */
    void release() {
        stream.synchronize();
        taken.forEach(device::free);
        taken.clear();
    }

    @Override
    public void close() {
        release();
        device.free(noise);
    }
}
