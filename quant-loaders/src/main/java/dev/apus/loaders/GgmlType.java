package dev.apus.loaders;

import dev.apus.kernels.DType;
import org.jspecify.annotations.Nullable;

/**
 * Tensor types by their number in a GGUF file ({@code enum ggml_type} of ggml.h), with the size of a block.
 *
 * <p>A type without a {@link #dtype} is known well enough to check the file and list the tensor, but not to read it.
 */
enum GgmlType {
    F32(0, DType.F32),
    F16(1, DType.F16),
    Q4_0(2, DType.Q4_0),
    Q4_1(3, DType.Q4_1),
    Q5_0(6, DType.Q5_0),
    Q5_1(7, DType.Q5_1),
    Q8_0(8, DType.Q8_0),
    Q8_1(9, 32, 36),
    Q2_K(10, DType.Q2_K),
    Q3_K(11, DType.Q3_K),
    Q4_K(12, DType.Q4_K),
    Q5_K(13, DType.Q5_K),
    Q6_K(14, DType.Q6_K),
    Q8_K(15, 256, 292),
    IQ2_XXS(16, 256, 66),
    IQ2_XS(17, 256, 74),
    IQ3_XXS(18, 256, 98),
    IQ1_S(19, 256, 50),
    IQ4_NL(20, DType.IQ4_NL),
    IQ3_S(21, 256, 110),
    IQ2_S(22, 256, 82),
    IQ4_XS(23, DType.IQ4_XS),
    I8(24, DType.I8),
    I16(25, DType.I16),
    I32(26, DType.I32),
    I64(27, DType.I64),
    F64(28, DType.F64),
    IQ1_M(29, 256, 56),
    BF16(30, DType.BF16),
    TQ1_0(34, 256, 54),
    TQ2_0(35, 256, 66),
    MXFP4(39, 32, 17),
    NVFP4(40, 64, 36);

    private final int id;
    private final @Nullable DType dtype;
    private final int blockSize;
    private final int blockBytes;

    GgmlType(int id, DType dtype) {
        this.id = id;
        this.dtype = dtype;
        this.blockSize = dtype.blockSize();
        this.blockBytes = dtype.blockBytes();
    }

    GgmlType(int id, int blockSize, int blockBytes) {
        this.id = id;
        this.dtype = null;
        this.blockSize = blockSize;
        this.blockBytes = blockBytes;
    }

    /** The type of that number, or null if there is none (some numbers were retired). */
    static @Nullable GgmlType of(int id) {
        for (GgmlType type : values()) {
            if (type.id == id) {
                return type;
            }
        }
        return null;
    }

    @Nullable
    DType dtype() {
        return dtype;
    }

    int blockSize() {
        return blockSize;
    }

    int blockBytes() {
        return blockBytes;
    }
}
