package dev.apus.kernels;

/**
 * Element types of tensors: plain ones and GGUF block formats.
 *
 * <p>A block format stores {@link #blockSize} consecutive elements of a row in {@link #blockBytes} bytes; the layouts are ggml's
 * ({@code ggml-common.h}). Every multi-byte field is little-endian.
 */
public enum DType {
    F64(1, 8),
    F32(1, 4),
    F16(1, 2),
    BF16(1, 2),
    F8_E4M3(1, 1),
    F8_E5M2(1, 1),
    F8_E8M0(1, 1),
    I64(1, 8),
    U64(1, 8),
    I32(1, 4),
    U32(1, 4),
    I16(1, 2),
    U16(1, 2),
    I8(1, 1),
    U8(1, 1),
    BOOL(1, 1),
    Q4_0(32, 18),
    Q4_1(32, 20),
    Q5_0(32, 22),
    Q5_1(32, 24),
    Q8_0(32, 34),
    Q2_K(256, 84),
    Q3_K(256, 110),
    Q4_K(256, 144),
    Q5_K(256, 176),
    Q6_K(256, 210),
    IQ4_NL(32, 18),
    IQ4_XS(256, 136);

    private final int blockSize;
    private final int blockBytes;

    DType(int blockSize, int blockBytes) {
        this.blockSize = blockSize;
        this.blockBytes = blockBytes;
    }

    /** Elements in one block; 1 for plain types. */
    public int blockSize() {
        return blockSize;
    }

    /** Bytes of one block; the element size for plain types. */
    public int blockBytes() {
        return blockBytes;
    }

    /** Whether several elements share a block with scales of its own. */
    public boolean isBlocked() {
        return blockSize > 1;
    }

    /**
     * Bytes that {@code elements} elements occupy.
     *
     * @throws IllegalArgumentException if {@code elements} is negative or no multiple of {@link #blockSize}
     * @throws ArithmeticException if the size exceeds 2^63-1
     */
    public long byteSize(long elements) {
        if (elements < 0 || elements % blockSize != 0) {
            throw new IllegalArgumentException(
                    this + " stores blocks of " + blockSize + " elements; " + elements + " elements do not fill them");
        }
        return Math.multiplyExact(elements / blockSize, (long) blockBytes);
    }
}
