package dev.apus.kernels;

/**
 * The size of a paged KV cache, which its backend lays out as it likes.
 *
 * @param layers attention layers
 * @param kvHeads key/value heads of a layer
 * @param headDim elements of a head
 * @param blockSize tokens of a block (16)
 * @param dtype element type of stored keys and values
 */
public record KvLayout(int layers, int kvHeads, int headDim, int blockSize, DType dtype) {
    /** Bytes that one block of all layers occupies, keys and values. */
    public long bytesPerBlock() {
        return 2L * layers * blockSize * dtype.byteSize((long) kvHeads * headDim);
    }
}
