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
    /** Bytes of the keys and values of one block, all layers; what a device takes for them, {@link Backend#kvBlockBytes} says. */
    public long bytesPerBlock() {
        return 2L * layers * blockSize * dtype.byteSize((long) kvHeads * headDim);
    }
}
