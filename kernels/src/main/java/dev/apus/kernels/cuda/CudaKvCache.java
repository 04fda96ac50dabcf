package dev.apus.kernels.cuda;

import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;

/**
 * KV blocks in device memory: for each layer the keys of all blocks, then the values, each {@code [blocks][kvHeads][16][headDim]}.
 *
 * @param address device address of the first layer's keys; {@link #byteSize} bytes
 */
record CudaKvCache(KvLayout layout, int blocks, long address) implements KvCache {
    /** Tokens of a block, which kernels have as a constant. */
    static final int BLOCK = 16;

    CudaKvCache {
        if (layout.blockSize() != BLOCK) {
            throw new IllegalArgumentException("a KV cache in blocks of " + layout.blockSize()
                    + " tokens; the CUDA backend has blocks of " + BLOCK);
        }
    }

    /** Bytes of a whole cache. */
    long byteSize() {
        return Math.multiplyExact(layout.bytesPerBlock(), (long) blocks);
    }

    /** All of it, from the start. */
    @Override
    public long residentBytes() {
        return byteSize();
    }

    private long bytesOfOne() {
        return layout.dtype().byteSize((long) blocks * layout.kvHeads() * BLOCK * layout.headDim());
    }

    /** Device address of a layer's keys. */
    long keys(int layer) {
        return address + 2L * checked(layer) * bytesOfOne();
    }

    /** Device address of a layer's values. */
    long values(int layer) {
        return keys(layer) + bytesOfOne();
    }

    private int checked(int layer) {
        if (layer < 0 || layer >= layout.layers()) {
            throw new IllegalArgumentException("layer " + layer + " of a KV cache of " + layout.layers() + " layers");
        }
        return layer;
    }
}
