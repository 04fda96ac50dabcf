package dev.apus.kernels.quant;

import static dev.apus.kernels.quant.Dequantizer.bits;
import static dev.apus.kernels.quant.Dequantizer.half;
import static dev.apus.kernels.quant.Dequantizer.unsigned;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** ggml's formats with super-blocks of 256 elements: sub-blocks of 16 or 32 with small integer scales under one or two F16 scales. */
final class Blocks256 {
    private Blocks256() {}

    /** 84 bytes: scales[16] (low nibble scale, high nibble minimum), qs[64], d, dmin. */
    static void q2k(MemorySegment s, long p, float[] out, int at) {
        float d = half(s, p + 80);
        float min = half(s, p + 82);
        for (int sub = 0; sub < 16; sub++) {
            int packed = unsigned(s, p + sub);
            float scale = d * (packed & 15);
            float minimum = min * (packed >> 4);
            for (int l = 0; l < 16; l++) {
                int q = twoBits(s, p + 16, sub * 16 + l);
                out[at + sub * 16 + l] = scale * q - minimum;
            }
        }
    }

    /** 110 bytes: hmask[32], qs[64], scales[12], d. */
    static void q3k(MemorySegment s, long p, float[] out, int at) {
        float d = half(s, p + 108);
        for (int sub = 0; sub < 16; sub++) {
            int low = bits(s, p + 96 + sub % 8, 4 * (sub / 8), 15);
            int high = bits(s, p + 104 + sub % 4, 2 * (sub / 4), 3);
            float scale = d * (low + 16 * high - 32);
            for (int l = 0; l < 16; l++) {
                int element = sub * 16 + l;
                int third = bits(s, p + element % 32, element / 32, 1);
                int q = twoBits(s, p + 32, element) + 4 * third - 4;
                out[at + element] = scale * q;
            }
        }
    }

    /** The two low bits of Q2_K and Q3_K: 32 bytes hold 128 elements, element 32 j + l in bits 2 j of byte l. */
    static int twoBits(MemorySegment s, long qs, int element) {
        int chunk = element / 128;
        return bits(s, qs + 32L * chunk + element % 32, 2 * (element % 128 / 32), 3);
    }

    /** 144 bytes: d, dmin, scales[12], qs[128]. */
    static void q4k(MemorySegment s, long p, float[] out, int at) {
        float d = half(s, p);
        float min = half(s, p + 2);
        for (int sub = 0; sub < 8; sub++) {
            float scale = d * scale6(s, p + 4, sub);
            float minimum = min * min6(s, p + 4, sub);
            for (int l = 0; l < 32; l++) {
                int q = bits(s, p + 16 + sub / 2 * 32L + l, 4 * (sub % 2), 15);
                out[at + sub * 32 + l] = scale * q - minimum;
            }
        }
    }

    /** 176 bytes: d, dmin, scales[12], qh[32], qs[128]. */
    static void q5k(MemorySegment s, long p, float[] out, int at) {
        float d = half(s, p);
        float min = half(s, p + 2);
        for (int sub = 0; sub < 8; sub++) {
            float scale = d * scale6(s, p + 4, sub);
            float minimum = min * min6(s, p + 4, sub);
            for (int l = 0; l < 32; l++) {
                int low = bits(s, p + 48 + sub / 2 * 32L + l, 4 * (sub % 2), 15);
                int high = bits(s, p + 16 + l, sub, 1);
                out[at + sub * 32 + l] = scale * (low + 16 * high) - minimum;
            }
        }
    }

    /** Six-bit scale of sub-block j of Q4_K and Q5_K. */
    static int scale6(MemorySegment s, long scales, int j) {
        return j < 4 ? bits(s, scales + j, 0, 63) : bits(s, scales + j + 4, 0, 15) + 16 * bits(s, scales + j - 4, 6, 3);
    }

    /** Six-bit minimum of sub-block j of Q4_K and Q5_K. */
    static int min6(MemorySegment s, long scales, int j) {
        return j < 4 ? bits(s, scales + j + 4, 0, 63) : bits(s, scales + j + 4, 4, 15) + 16 * bits(s, scales + j, 6, 3);
    }

    /** 210 bytes: ql[128], qh[64], int8 scales[16], d. */
    static void q6k(MemorySegment s, long p, float[] out, int at) {
        float d = half(s, p + 208);
        for (int sub = 0; sub < 16; sub++) {
            float scale = d * s.get(ValueLayout.JAVA_BYTE, p + 192 + sub);
            int chunk = sub / 8;
            // A chunk of 128 elements is four quarters of 32: the first two share low nibbles with the last two.
            int quarter = sub % 8 / 2;
            for (int l = 0; l < 16; l++) {
                int inQuarter = sub % 2 * 16 + l;
                int low = bits(s, p + 64L * chunk + 32L * (quarter % 2) + inQuarter, 4 * (quarter / 2), 15);
                int high = bits(s, p + 128 + 32L * chunk + inQuarter, 2 * quarter, 3);
                out[at + sub * 16 + l] = scale * (low + 16 * high - 32);
            }
        }
    }

    /** 136 bytes: d, scales_h, scales_l[4], qs[128]. */
    static void iq4xs(MemorySegment s, long p, float[] out, int at) {
        float d = half(s, p);
        int scalesHigh = s.get(Dequantizer.SHORT, p + 2);
        for (int sub = 0; sub < 8; sub++) {
            int low = bits(s, p + 4 + sub / 2, 4 * (sub % 2), 15);
            int high = (scalesHigh >> (2 * sub)) & 3;
            Blocks32.iq4(s, p + 8 + 16L * sub, d * (low + 16 * high - 32), out, at + 32 * sub);
        }
    }
}
