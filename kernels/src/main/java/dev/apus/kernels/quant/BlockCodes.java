package dev.apus.kernels.quant;

import static dev.apus.kernels.quant.Dequantizer.bits;
import static dev.apus.kernels.quant.Dequantizer.half;
import static dev.apus.kernels.quant.Dequantizer.unsigned;

import dev.apus.kernels.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * One block of a GGUF format taken apart: an unsigned code for each element and a line for each group of elements, so that element i of
 * group g is {@code scales[g] * code(i) + offsets[g]}.
 *
 * <p>Evaluated with the product exact (as a fused multiply-add has it) this equals {@link Dequantizer}'s value: no format's scale and
 * code together need more than a float's 24 bits. It is what kernels repack weights from.
 */
public final class BlockCodes {
    private final byte[] codes = new byte[256];
    private final float[] scales = new float[16];
    private final float[] offsets = new float[16];

    /** Whether {@link #read} knows the format: all block formats of {@link Dequantizer}. */
    public static boolean supports(DType type) {
        return type.isBlocked() && Dequantizer.supports(type);
    }

    /** Bits of a code. */
    public static int codeBits(DType type) {
        return switch (type) {
            case Q2_K -> 2;
            case Q3_K -> 3;
            case Q4_0, Q4_1, Q4_K -> 4;
            case Q5_0, Q5_1, Q5_K -> 5;
            case Q6_K -> 6;
            case Q8_0, IQ4_NL, IQ4_XS -> 8;
            default -> throw new IllegalArgumentException(type + " is not a block format");
        };
    }

    /** Elements that share a scale and an offset. */
    public static int group(DType type) {
        return switch (type) {
            case Q2_K, Q3_K, Q6_K -> 16;
            default -> 32;
        };
    }

    /** Code of an element of the block read last, {@code 0 <= code < 2^codeBits}. */
    public int code(int element) {
        return codes[element] & 0xFF;
    }

    /** Scale of a group of the block read last. */
    public float scale(int group) {
        return scales[group];
    }

    /** Offset of a group of the block read last. */
    public float offset(int group) {
        return offsets[group];
    }

    /**
     * Takes the block at a byte offset apart.
     *
     * @throws IllegalArgumentException if the type is not a block format
     */
    public void read(DType type, MemorySegment s, long p) {
        switch (type) {
            case Q4_0 -> {
                centred(0, half(s, p), 8);
                nibbles(s, p + 2, 0);
            }
            case Q4_1 -> {
                line(0, half(s, p), half(s, p + 2));
                nibbles(s, p + 4, 0);
            }
            case Q5_0 -> {
                centred(0, half(s, p), 16);
                nibbles(s, p + 6, s.get(Dequantizer.INT, p + 2));
            }
            case Q5_1 -> {
                line(0, half(s, p), half(s, p + 2));
                nibbles(s, p + 8, s.get(Dequantizer.INT, p + 4));
            }
            case Q8_0 -> {
                centred(0, half(s, p), 128);
                for (int j = 0; j < 32; j++) {
                    codes[j] = (byte) (s.get(ValueLayout.JAVA_BYTE, p + 2 + j) + 128);
                }
            }
            case Q2_K -> q2k(s, p);
            case Q3_K -> q3k(s, p);
            case Q4_K -> q4k(s, p);
            case Q5_K -> q5k(s, p);
            case Q6_K -> q6k(s, p);
            case IQ4_NL -> {
                centred(0, half(s, p), 128);
                levels(s, p + 2, 0);
            }
            case IQ4_XS -> iq4xs(s, p);
            default -> throw new IllegalArgumentException(type + " is not a block format");
        }
    }

    /** A symmetric format's group: codes stand for {@code code - zero}. */
    private void centred(int group, float scale, int zero) {
        line(group, scale, -zero * scale);
    }

    private void line(int group, float scale, float offset) {
        scales[group] = scale;
        offsets[group] = offset;
    }

    /** Codes of 32 elements whose low four bits are nibbles and whose fifth are the bits of {@code high}. */
    private void nibbles(MemorySegment s, long p, int high) {
        for (int j = 0; j < 16; j++) {
            int q = unsigned(s, p + j);
            codes[j] = (byte) ((q & 15) | ((high >>> j) & 1) << 4);
            codes[j + 16] = (byte) ((q >> 4) | ((high >>> (j + 16)) & 1) << 4);
        }
    }

    /** Levels of 32 IQ4 elements, made unsigned. */
    private void levels(MemorySegment s, long p, int at) {
        for (int j = 0; j < 16; j++) {
            int q = unsigned(s, p + j);
            codes[at + j] = (byte) (Blocks32.level(q & 15) + 128);
            codes[at + j + 16] = (byte) (Blocks32.level(q >> 4) + 128);
        }
    }

    private void q2k(MemorySegment s, long p) {
        float d = half(s, p + 80);
        float min = half(s, p + 82);
        for (int sub = 0; sub < 16; sub++) {
            int packed = unsigned(s, p + sub);
            line(sub, d * (packed & 15), -(min * (packed >> 4)));
        }
        for (int i = 0; i < 256; i++) {
            codes[i] = (byte) Blocks256.twoBits(s, p + 16, i);
        }
    }

    private void q3k(MemorySegment s, long p) {
        float d = half(s, p + 108);
        for (int sub = 0; sub < 16; sub++) {
            int low = bits(s, p + 96 + sub % 8, 4 * (sub / 8), 15);
            int high = bits(s, p + 104 + sub % 4, 2 * (sub / 4), 3);
            centred(sub, d * (low + 16 * high - 32), 4);
        }
        for (int i = 0; i < 256; i++) {
            codes[i] = (byte) (Blocks256.twoBits(s, p + 32, i) + 4 * bits(s, p + i % 32, i / 32, 1));
        }
    }

    private void q4k(MemorySegment s, long p) {
        sixBitLines(s, p);
        for (int i = 0; i < 256; i++) {
            codes[i] = (byte) bits(s, p + 16 + i / 64 * 32L + i % 32, (i & 32) == 0 ? 0 : 4, 15);
        }
    }

    private void q5k(MemorySegment s, long p) {
        sixBitLines(s, p);
        for (int i = 0; i < 256; i++) {
            int low = bits(s, p + 48 + i / 64 * 32L + i % 32, (i & 32) == 0 ? 0 : 4, 15);
            codes[i] = (byte) (low + 16 * bits(s, p + 16 + i % 32, i / 32, 1));
        }
    }

    private void sixBitLines(MemorySegment s, long p) {
        float d = half(s, p);
        float min = half(s, p + 2);
        for (int sub = 0; sub < 8; sub++) {
            line(sub, d * Blocks256.scale6(s, p + 4, sub), -(min * Blocks256.min6(s, p + 4, sub)));
        }
    }

    private void q6k(MemorySegment s, long p) {
        float d = half(s, p + 208);
        for (int sub = 0; sub < 16; sub++) {
            centred(sub, d * s.get(ValueLayout.JAVA_BYTE, p + 192 + sub), 32);
        }
        for (int i = 0; i < 256; i++) {
            int chunk = i / 128;
            int quarter = i % 128 / 32;
            int low = bits(s, p + 64L * chunk + 32L * (quarter % 2) + i % 32, 4 * (quarter / 2), 15);
            codes[i] = (byte) (low + 16 * bits(s, p + 128 + 32L * chunk + i % 32, 2 * quarter, 3));
        }
    }

    private void iq4xs(MemorySegment s, long p) {
        float d = half(s, p);
        int scalesHigh = s.get(Dequantizer.SHORT, p + 2);
        for (int sub = 0; sub < 8; sub++) {
            int low = bits(s, p + 4 + sub / 2, 4 * (sub % 2), 15);
            centred(sub, d * (low + 16 * ((scalesHigh >> (2 * sub)) & 3) - 32), 128);
            levels(s, p + 8 + 16L * sub, 32 * sub);
        }
    }
}
