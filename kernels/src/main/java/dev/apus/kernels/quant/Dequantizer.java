package dev.apus.kernels.quant;

import dev.apus.kernels.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Turns stored weights into floats, one row or part of a row at a time.
 *
 * <p>Results equal ggml's {@code dequantize_row_*} ({@code ggml-quants.c}) to the bit: the same products in the same order, never
 * fused.
 */
public final class Dequantizer {
    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Dequantizer() {}

    /** Whether {@link #dequantize} reads the type. */
    public static boolean supports(DType type) {
        return switch (type) {
            case F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS -> true;
            case F64, F8_E4M3, F8_E5M2, F8_E8M0, I64, U64, I32, U32, I16, U16, I8, U8, BOOL -> false;
        };
    }

    /**
     * Decodes {@code count} consecutive elements that start at a block border.
     *
     * @param type format of the source
     * @param source stored bytes
     * @param offset byte offset of the first element's block
     * @param out receives the values from index {@code outOffset} on
     * @param count a multiple of the format's block size
     * @throws IllegalArgumentException if the format is not one of those that {@link #supports} names, or count does not fill blocks
     * @throws IndexOutOfBoundsException if source or target are too short
     */
    public static void dequantize(
            DType type, MemorySegment source, long offset, float[] out, int outOffset, int count) {
        if (!supports(type)) {
            throw new IllegalArgumentException("weights of type " + type
                    + " cannot be read as floats; supported are F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K,"
                    + " IQ4_NL and IQ4_XS");
        }
        int size = type.blockSize();
        if (count < 0 || count % size != 0) {
            throw new IllegalArgumentException(count + " elements do not fill blocks of " + size + " of " + type);
        }
        if (!type.isBlocked()) {
            plain(type, source, offset, out, outOffset, count);
            return;
        }
        int bytes = type.blockBytes();
        for (int i = 0; i < count / size; i++) {
            block(type, source, offset + (long) i * bytes, out, outOffset + i * size);
        }
    }

    private static void plain(DType type, MemorySegment source, long offset, float[] out, int at, int count) {
        if (type == DType.F32) {
            for (int i = 0; i < count; i++) {
                out[at + i] = source.get(FLOAT, offset + 4L * i);
            }
        } else if (type == DType.F16) {
            for (int i = 0; i < count; i++) {
                out[at + i] = half(source, offset + 2L * i);
            }
        } else {
            for (int i = 0; i < count; i++) {
                out[at + i] = Float.intBitsToFloat(source.get(SHORT, offset + 2L * i) << 16);
            }
        }
    }

    private static void block(DType type, MemorySegment source, long offset, float[] out, int at) {
        switch (type) {
            case Q4_0 -> Blocks32.q40(source, offset, out, at);
            case Q4_1 -> Blocks32.q41(source, offset, out, at);
            case Q5_0 -> Blocks32.q50(source, offset, out, at);
            case Q5_1 -> Blocks32.q51(source, offset, out, at);
            case Q8_0 -> Blocks32.q80(source, offset, out, at);
            case IQ4_NL -> Blocks32.iq4nl(source, offset, out, at);
            case Q2_K -> Blocks256.q2k(source, offset, out, at);
            case Q3_K -> Blocks256.q3k(source, offset, out, at);
            case Q4_K -> Blocks256.q4k(source, offset, out, at);
            case Q5_K -> Blocks256.q5k(source, offset, out, at);
            case Q6_K -> Blocks256.q6k(source, offset, out, at);
            case IQ4_XS -> Blocks256.iq4xs(source, offset, out, at);
            default -> throw new IllegalArgumentException(type + " is not a block format");
        }
    }

    static float half(MemorySegment source, long offset) {
        return Float.float16ToFloat(source.get(SHORT, offset));
    }

    static int unsigned(MemorySegment source, long offset) {
        return source.get(ValueLayout.JAVA_BYTE, offset) & 0xFF;
    }

    /** The bits of one byte from {@code shift} on that {@code mask} keeps. */
    static int bits(MemorySegment source, long offset, int shift, int mask) {
        return (unsigned(source, offset) >> shift) & mask;
    }
}
