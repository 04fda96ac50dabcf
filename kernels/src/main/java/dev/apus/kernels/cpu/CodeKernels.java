package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.SPECIES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.ROR;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Inner loops over {@link CodePanels}.
 *
 * <p>Common parameters: {@code codes} and {@code code}, {@code lines} and {@code line} locate the first group of a strip of two vectors
 * of outputs; {@code field} is the width of a code's field and the rotation to the next, {@code mask} the field in place.
 *
 * <p>The loops call the Vector API alone, no helpers of ours: C2 stops inlining ordinary methods when a method has grown past a number
 * of nodes (NodeCountInliningCutoff) that two of these loops' worth of memory accesses reach, and a vector that crosses a call that was
 * not inlined is an object on the heap, which made these loops twenty times slower. The API's own methods are exempt from the limit.
 */
final class CodeKernels {
    /** The bits of 1f: exponent 0, under which a mantissa field f reads as 1 + f. */
    static final int ONE = 0x3F800000;

    static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, SPECIES.vectorShape());

    private static final IntVector ONES = IntVector.broadcast(INTS, ONE);

    private static final long VECTOR = 4L * LANES;
    private static final long ROW = Panels.ROW;
    private static final long LINE = CodePanels.LINE;

    /** Sign, exponent and mantissa of a half that was shifted right by 3 with its sign: below float's by 2^112. */
    static final int HALF_MASK = 0x8FFFE000;

    static final float HALF_SCALE = 0x1p112f;

    private CodeKernels() {}

    /** Turns pairs of halves (scale low, offset high) into a and o of {@code groups} groups of a panel. */
    static void widen(MemorySegment pairs, long from, MemorySegment lines, long to, int groups, float factor) {
        FloatVector toA = FloatVector.broadcast(SPECIES, HALF_SCALE * factor);
        FloatVector toO = FloatVector.broadcast(SPECIES, HALF_SCALE);
        for (int g = 0; g < groups; g++) {
            for (long at = 0; at < ROW; at += VECTOR) {
                IntVector v = IntVector.fromMemorySegment(INTS, pairs, from + g * ROW + at, LITTLE_ENDIAN);
                FloatVector a = half(v.lanewise(VectorOperators.LSHL, 16)).mul(toA);
                a.intoMemorySegment(lines, to + g * LINE + at, LITTLE_ENDIAN);
                half(v).mul(toO).sub(a).intoMemorySegment(lines, to + g * LINE + ROW + at, LITTLE_ENDIAN);
            }
        }
    }

    /** The half in the upper 16 bits, as a float 2^-112 times its value; not for infinities and NaN. */
    private static FloatVector half(IntVector v) {
        return v.lanewise(VectorOperators.ASHR, 3).and(HALF_MASK).reinterpretAsFloats();
    }

    static void one(
            MemorySegment codes,
            long code,
            MemorySegment lines,
            long line,
            int groups,
            int ints,
            int field,
            int mask,
            MemorySegment x,
            long xAt,
            float[] sums,
            int sum) {
        FloatVector s0 = FloatVector.fromArray(SPECIES, sums, sum);
        FloatVector s1 = FloatVector.fromArray(SPECIES, sums, sum + LANES);
        int codesPerInt = 32 / field;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        for (int g = 0; g < groups; g++) {
            FloatVector a0 = FloatVector.fromMemorySegment(SPECIES, lines, line + g * LINE, LITTLE_ENDIAN);
            FloatVector a1 = FloatVector.fromMemorySegment(SPECIES, lines, line + g * LINE + VECTOR, LITTLE_ENDIAN);
            FloatVector o0 = FloatVector.fromMemorySegment(SPECIES, lines, line + g * LINE + ROW, LITTLE_ENDIAN);
            FloatVector o1 =
                    FloatVector.fromMemorySegment(SPECIES, lines, line + g * LINE + ROW + VECTOR, LITTLE_ENDIAN);
            for (int i = 0; i < ints; i++) {
                long index = (long) g * ints + i;
                IntVector v0 = IntVector.fromMemorySegment(INTS, codes, code + index * ROW, LITTLE_ENDIAN);
                IntVector v1 = IntVector.fromMemorySegment(INTS, codes, code + index * ROW + VECTOR, LITTLE_ENDIAN);
                for (int j = 0; j < codesPerInt; j++) {
                    FloatVector xk =
                            FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, xAt + 4 * (index * codesPerInt + j)));
                    s0 = xk.fma(v0.and(in).or(ONES).reinterpretAsFloats().fma(a0, o0), s0);
                    s1 = xk.fma(v1.and(in).or(ONES).reinterpretAsFloats().fma(a1, o1), s1);
                    v0 = v0.lanewise(ROR, turn);
                    v1 = v1.lanewise(ROR, turn);
                }
            }
        }
        s0.intoArray(sums, sum);
        s1.intoArray(sums, sum + LANES);
    }

    static void pair(
            MemorySegment codes,
            long codeA,
            long codeB,
            MemorySegment lines,
            long lineA,
            long lineB,
            int groups,
            int ints,
            int field,
            int mask,
            MemorySegment x,
            long xAt,
            float[] sums) {
        FloatVector s0 = FloatVector.fromArray(SPECIES, sums, 0);
        FloatVector s1 = FloatVector.fromArray(SPECIES, sums, LANES);
        FloatVector s2 = FloatVector.fromArray(SPECIES, sums, 2 * LANES);
        FloatVector s3 = FloatVector.fromArray(SPECIES, sums, 3 * LANES);
        int codesPerInt = 32 / field;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        for (int g = 0; g < groups; g++) {
            FloatVector a0 = FloatVector.fromMemorySegment(SPECIES, lines, lineA + g * LINE, LITTLE_ENDIAN);
            FloatVector a1 = FloatVector.fromMemorySegment(SPECIES, lines, lineA + g * LINE + VECTOR, LITTLE_ENDIAN);
            FloatVector a2 = FloatVector.fromMemorySegment(SPECIES, lines, lineB + g * LINE, LITTLE_ENDIAN);
            FloatVector a3 = FloatVector.fromMemorySegment(SPECIES, lines, lineB + g * LINE + VECTOR, LITTLE_ENDIAN);
            FloatVector o0 = FloatVector.fromMemorySegment(SPECIES, lines, lineA + g * LINE + ROW, LITTLE_ENDIAN);
            FloatVector o1 =
                    FloatVector.fromMemorySegment(SPECIES, lines, lineA + g * LINE + ROW + VECTOR, LITTLE_ENDIAN);
            FloatVector o2 = FloatVector.fromMemorySegment(SPECIES, lines, lineB + g * LINE + ROW, LITTLE_ENDIAN);
            FloatVector o3 =
                    FloatVector.fromMemorySegment(SPECIES, lines, lineB + g * LINE + ROW + VECTOR, LITTLE_ENDIAN);
            for (int i = 0; i < ints; i++) {
                long index = (long) g * ints + i;
                IntVector v0 = IntVector.fromMemorySegment(INTS, codes, codeA + index * ROW, LITTLE_ENDIAN);
                IntVector v1 = IntVector.fromMemorySegment(INTS, codes, codeA + index * ROW + VECTOR, LITTLE_ENDIAN);
                IntVector v2 = IntVector.fromMemorySegment(INTS, codes, codeB + index * ROW, LITTLE_ENDIAN);
                IntVector v3 = IntVector.fromMemorySegment(INTS, codes, codeB + index * ROW + VECTOR, LITTLE_ENDIAN);
                for (int j = 0; j < codesPerInt; j++) {
                    FloatVector xk =
                            FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, xAt + 4 * (index * codesPerInt + j)));
                    s0 = xk.fma(v0.and(in).or(ONES).reinterpretAsFloats().fma(a0, o0), s0);
                    s1 = xk.fma(v1.and(in).or(ONES).reinterpretAsFloats().fma(a1, o1), s1);
                    s2 = xk.fma(v2.and(in).or(ONES).reinterpretAsFloats().fma(a2, o2), s2);
                    s3 = xk.fma(v3.and(in).or(ONES).reinterpretAsFloats().fma(a3, o3), s3);
                    v0 = v0.lanewise(ROR, turn);
                    v1 = v1.lanewise(ROR, turn);
                    v2 = v2.lanewise(ROR, turn);
                    v3 = v3.lanewise(ROR, turn);
                }
            }
        }
        s0.intoArray(sums, 0);
        s1.intoArray(sums, LANES);
        s2.intoArray(sums, 2 * LANES);
        s3.intoArray(sums, 3 * LANES);
    }

    static void four(
            MemorySegment codes,
            long code,
            MemorySegment lines,
            long line,
            int groups,
            int ints,
            int field,
            int mask,
            MemorySegment x,
            long x0,
            long x1,
            long x2,
            long x3,
            float[] sums,
            int sum) {
        FloatVector s00 = FloatVector.fromArray(SPECIES, sums, sum);
        FloatVector s01 = FloatVector.fromArray(SPECIES, sums, sum + LANES);
        FloatVector s10 = FloatVector.fromArray(SPECIES, sums, sum + Panels.WIDTH);
        FloatVector s11 = FloatVector.fromArray(SPECIES, sums, sum + Panels.WIDTH + LANES);
        FloatVector s20 = FloatVector.fromArray(SPECIES, sums, sum + 2 * Panels.WIDTH);
        FloatVector s21 = FloatVector.fromArray(SPECIES, sums, sum + 2 * Panels.WIDTH + LANES);
        FloatVector s30 = FloatVector.fromArray(SPECIES, sums, sum + 3 * Panels.WIDTH);
        FloatVector s31 = FloatVector.fromArray(SPECIES, sums, sum + 3 * Panels.WIDTH + LANES);
        int codesPerInt = 32 / field;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        for (int g = 0; g < groups; g++) {
            FloatVector a0 = FloatVector.fromMemorySegment(SPECIES, lines, line + g * LINE, LITTLE_ENDIAN);
            FloatVector a1 = FloatVector.fromMemorySegment(SPECIES, lines, line + g * LINE + VECTOR, LITTLE_ENDIAN);
            FloatVector o0 = FloatVector.fromMemorySegment(SPECIES, lines, line + g * LINE + ROW, LITTLE_ENDIAN);
            FloatVector o1 =
                    FloatVector.fromMemorySegment(SPECIES, lines, line + g * LINE + ROW + VECTOR, LITTLE_ENDIAN);
            for (int i = 0; i < ints; i++) {
                long index = (long) g * ints + i;
                IntVector v0 = IntVector.fromMemorySegment(INTS, codes, code + index * ROW, LITTLE_ENDIAN);
                IntVector v1 = IntVector.fromMemorySegment(INTS, codes, code + index * ROW + VECTOR, LITTLE_ENDIAN);
                for (int j = 0; j < codesPerInt; j++) {
                    long k = 4 * (index * codesPerInt + j);
                    FloatVector w0 = v0.and(in).or(ONES).reinterpretAsFloats().fma(a0, o0);
                    FloatVector w1 = v1.and(in).or(ONES).reinterpretAsFloats().fma(a1, o1);
                    FloatVector xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x0 + k));
                    s00 = xk.fma(w0, s00);
                    s01 = xk.fma(w1, s01);
                    xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x1 + k));
                    s10 = xk.fma(w0, s10);
                    s11 = xk.fma(w1, s11);
                    xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x2 + k));
                    s20 = xk.fma(w0, s20);
                    s21 = xk.fma(w1, s21);
                    xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x3 + k));
                    s30 = xk.fma(w0, s30);
                    s31 = xk.fma(w1, s31);
                    v0 = v0.lanewise(ROR, turn);
                    v1 = v1.lanewise(ROR, turn);
                }
            }
        }
        s00.intoArray(sums, sum);
        s01.intoArray(sums, sum + LANES);
        s10.intoArray(sums, sum + Panels.WIDTH);
        s11.intoArray(sums, sum + Panels.WIDTH + LANES);
        s20.intoArray(sums, sum + 2 * Panels.WIDTH);
        s21.intoArray(sums, sum + 2 * Panels.WIDTH + LANES);
        s30.intoArray(sums, sum + 3 * Panels.WIDTH);
        s31.intoArray(sums, sum + 3 * Panels.WIDTH + LANES);
    }

    /** Writes the weights of a strip as floats, {@link Panels#ROW} bytes for each input. */
    static void unpack(
            MemorySegment codes,
            long code,
            MemorySegment lines,
            long line,
            int groups,
            int ints,
            int field,
            int mask,
            MemorySegment weights,
            long to) {
        int codesPerInt = 32 / field;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        for (int g = 0; g < groups; g++) {
            FloatVector a0 = FloatVector.fromMemorySegment(SPECIES, lines, line + g * LINE, LITTLE_ENDIAN);
            FloatVector a1 = FloatVector.fromMemorySegment(SPECIES, lines, line + g * LINE + VECTOR, LITTLE_ENDIAN);
            FloatVector o0 = FloatVector.fromMemorySegment(SPECIES, lines, line + g * LINE + ROW, LITTLE_ENDIAN);
            FloatVector o1 =
                    FloatVector.fromMemorySegment(SPECIES, lines, line + g * LINE + ROW + VECTOR, LITTLE_ENDIAN);
            for (int i = 0; i < ints; i++) {
                long index = (long) g * ints + i;
                IntVector v0 = IntVector.fromMemorySegment(INTS, codes, code + index * ROW, LITTLE_ENDIAN);
                IntVector v1 = IntVector.fromMemorySegment(INTS, codes, code + index * ROW + VECTOR, LITTLE_ENDIAN);
                for (int j = 0; j < codesPerInt; j++) {
                    long k = index * codesPerInt + j;
                    v0.and(in)
                            .or(ONES)
                            .reinterpretAsFloats()
                            .fma(a0, o0)
                            .intoMemorySegment(weights, to + k * ROW, LITTLE_ENDIAN);
                    v1.and(in)
                            .or(ONES)
                            .reinterpretAsFloats()
                            .fma(a1, o1)
                            .intoMemorySegment(weights, to + k * ROW + VECTOR, LITTLE_ENDIAN);
                    v0 = v0.lanewise(ROR, turn);
                    v1 = v1.lanewise(ROR, turn);
                }
            }
        }
    }
}
