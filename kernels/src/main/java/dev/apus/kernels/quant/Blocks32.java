package dev.apus.kernels.quant;

import static dev.apus.kernels.quant.Dequantizer.half;
import static dev.apus.kernels.quant.Dequantizer.unsigned;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * ggml's formats with blocks of 32 elements. In the 4 and 5 bit ones byte j holds element j in its low and element j + 16 in its high
 * nibble; a fifth bit comes from bit j (or j + 16) of a 32-bit word.
 */
final class Blocks32 {
    private static final int HALF = 16;

    /** The 16 levels of IQ4: denser near zero, as weights are. */
    private static final byte[] IQ4_LEVELS = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

    private Blocks32() {}

    static void q40(MemorySegment s, long p, float[] out, int at) {
        float d = half(s, p);
        for (int j = 0; j < HALF; j++) {
            int q = unsigned(s, p + 2 + j);
            out[at + j] = ((q & 15) - 8) * d;
            out[at + HALF + j] = ((q >> 4) - 8) * d;
        }
    }

    static void q41(MemorySegment s, long p, float[] out, int at) {
        float d = half(s, p);
        float m = half(s, p + 2);
        for (int j = 0; j < HALF; j++) {
            int q = unsigned(s, p + 4 + j);
            out[at + j] = (q & 15) * d + m;
            out[at + HALF + j] = (q >> 4) * d + m;
        }
    }

    static void q50(MemorySegment s, long p, float[] out, int at) {
        float d = half(s, p);
        int high = s.get(Dequantizer.INT, p + 2);
        for (int j = 0; j < HALF; j++) {
            int q = unsigned(s, p + 6 + j);
            out[at + j] = ((q & 15) + fifthBit(high, j) - 16) * d;
            out[at + HALF + j] = ((q >> 4) + fifthBit(high, j + HALF) - 16) * d;
        }
    }

    static void q51(MemorySegment s, long p, float[] out, int at) {
        float d = half(s, p);
        float m = half(s, p + 2);
        int high = s.get(Dequantizer.INT, p + 4);
        for (int j = 0; j < HALF; j++) {
            int q = unsigned(s, p + 8 + j);
            out[at + j] = ((q & 15) + fifthBit(high, j)) * d + m;
            out[at + HALF + j] = ((q >> 4) + fifthBit(high, j + HALF)) * d + m;
        }
    }

    /** The level that an IQ4 code stands for. */
    static int level(int code) {
        return IQ4_LEVELS[code];
    }

    private static int fifthBit(int word, int j) {
        return ((word >>> j) & 1) << 4;
    }

    static void q80(MemorySegment s, long p, float[] out, int at) {
        float d = half(s, p);
        for (int j = 0; j < 2 * HALF; j++) {
            out[at + j] = s.get(ValueLayout.JAVA_BYTE, p + 2 + j) * d;
        }
    }

    static void iq4nl(MemorySegment s, long p, float[] out, int at) {
        iq4(s, p + 2, half(s, p), out, at);
    }

    /** 32 elements of 16 bytes of nibbles that index the IQ4 levels. */
    static void iq4(MemorySegment s, long nibbles, float d, float[] out, int at) {
        for (int j = 0; j < HALF; j++) {
            int q = unsigned(s, nibbles + j);
            out[at + j] = d * IQ4_LEVELS[q & 15];
            out[at + HALF + j] = d * IQ4_LEVELS[q >> 4];
        }
    }
}
