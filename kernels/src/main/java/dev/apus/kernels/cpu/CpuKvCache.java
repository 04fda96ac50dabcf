package dev.apus.kernels.cpu;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.DType;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.StepBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * KV blocks in host memory, F32.
 *
 * <p>A block of one layer holds, per kv head, its keys as {@code [headDim][16]} and its values as {@code [16][valueStride]}: scores of
 * 16 keys are then a sum over headDim of one vector each, and so is the weighted sum of values. {@code valueStride} is headDim rounded
 * up to {@value #VALUE_MULTIPLE}, the padding stays zero, so that vector loops need no tail.
 */
final class CpuKvCache implements KvCache {
    /** Tokens of a block: one 512-bit vector of keys. */
    static final int BLOCK = 16;

    /** Values are summed two vectors at a time, of at most 16 lanes. */
    private static final int VALUE_MULTIPLE = 32;

    private final KvLayout layout;
    private final int blocks;
    private final MemorySegment data;
    private final int valueStride;
    private final long keyBytes;
    private final long valueBytes;
    private final long blockBytes;

    /** @throws IllegalArgumentException if the layout is not F32 in blocks of 16 tokens */
    CpuKvCache(KvLayout layout, int blocks, Arena arena) {
        if (layout.dtype() != DType.F32 || layout.blockSize() != BLOCK) {
            throw new IllegalArgumentException("KV cache of " + layout.dtype() + " in blocks of " + layout.blockSize()
                    + " tokens; the CPU backend keeps F32 in blocks of " + BLOCK);
        }
        this.layout = layout;
        this.blocks = blocks;
        valueStride = valueStride(layout);
        keyBytes = 4L * layout.headDim() * BLOCK;
        valueBytes = 4L * valueStride * BLOCK;
        blockBytes = layout.kvHeads() * (keyBytes + valueBytes);
        data = NativeMemory.allocate(arena, Math.multiplyExact(bytesPerBlock(layout), (long) blocks));
    }

    /** Bytes of a block, all layers, the values' padding included. */
    static long bytesPerBlock(KvLayout layout) {
        return 4L * BLOCK * layout.layers() * layout.kvHeads() * (layout.headDim() + valueStride(layout));
    }

    private static int valueStride(KvLayout layout) {
        return (layout.headDim() + VALUE_MULTIPLE - 1) / VALUE_MULTIPLE * VALUE_MULTIPLE;
    }

    @Override
    public KvLayout layout() {
        return layout;
    }

    @Override
    public int blocks() {
        return blocks;
    }

    @Override
    public long residentBytes() {
        return NativeMemory.residentBytes(data);
    }

    MemorySegment data() {
        return data;
    }

    /** Elements between the values of two tokens. */
    int valueStride() {
        return valueStride;
    }

    /** Byte offset of the keys {@code [headDim][16]} of one block. */
    long keys(int layer, int block, int kvHead) {
        return ((long) layer * blocks + block) * blockBytes + kvHead * keyBytes;
    }

    /** Byte offset of the values {@code [16][valueStride]} of one block. */
    long values(int layer, int block, int kvHead) {
        return ((long) layer * blocks + block) * blockBytes + layout.kvHeads() * keyBytes + kvHead * valueBytes;
    }

    /**
     * This cache, once it is known to hold the layer and the batch's blocks.
     *
     * @throws IllegalArgumentException if it does not
     */
    CpuKvCache checked(AttentionShape shape, int layer, StepBatch batch) {
        if (shape.kvHeads() != layout.kvHeads() || shape.headDim() != layout.headDim()) {
            throw new IllegalArgumentException("attention of " + shape + " over a KV cache of " + layout);
        }
        if (layer < 0 || layer >= layout.layers()) {
            throw new IllegalArgumentException("layer " + layer + " of a KV cache of " + layout.layers() + " layers");
        }
        if (batch.blockSize() != BLOCK) {
            throw new IllegalArgumentException(
                    "a batch with blocks of " + batch.blockSize() + " tokens over a cache with blocks of " + BLOCK);
        }
        if (shape.bidirectional()) {
            Operands.checkWhole(batch);
        }
        int used = batch.sequences() == 0 ? 0 : batch.blockStart[batch.sequences()];
        for (int i = 0; i < used; i++) {
            if (batch.blockIds[i] < 0 || batch.blockIds[i] >= blocks) {
                throw new IllegalArgumentException(
                        "block " + batch.blockIds[i] + " of a KV cache of " + blocks + " blocks");
            }
        }
        return this;
    }
}
