package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.SPECIES;
import static dev.apus.kernels.cpu.VectorMath.load;
import static dev.apus.kernels.cpu.VectorMath.splat;
import static dev.apus.kernels.cpu.VectorMath.store;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Inner loops over {@link CodePanels}.
 *
 * <p>Common parameters: {@code codes} and {@code code}, {@code lines} and {@code line} locate the first group of a strip of two vectors
 * of outputs; {@code field} is the width of a code's field and the rotation to the next, {@code mask} the field in place.
 */
final class CodeKernels {
    /** The bits of 1f: exponent 0, under which a mantissa field f reads as 1 + f. */
    static final int ONE = 0x3F800000;

    private static final VectorSpecies<Integer> INTS =
            SPECIES.vectorBitSize() == IntVector.SPECIES_PREFERRED.vectorBitSize()
                    ? IntVector.SPECIES_PREFERRED
                    : IntVector.SPECIES_512;

    private static final IntVector ONES = IntVector.broadcast(INTS, ONE);

    private static final long VECTOR = 4L * LANES;
    private static final long ROW = Panels.ROW;
    private static final long LINE = CodePanels.LINE;

    /** Sign, exponent and mantissa of a half that was shifted right by 3 with its sign: below float's by 2^112. */
    static final int HALF_MASK = 0x8FFFE000;

    static final float HALF_SCALE = 0x1p112f;

    private CodeKernels() {}

    static IntVector ints(MemorySegment segment, long offset) {
        return IntVector.fromMemorySegment(INTS, segment, offset, ByteOrder.LITTLE_ENDIAN);
    }

    /** The weights of the codes that are in place. */
    private static FloatVector weight(IntVector v, IntVector in, FloatVector a, FloatVector o) {
        return v.and(in).or(ONES).reinterpretAsFloats().fma(a, o);
    }

    /** Brings the next code up. C2 still boxes here, by an int or by a vector of counts: docs/benchmarks.md. */
    private static IntVector next(IntVector v, IntVector turn) {
        return v.lanewise(VectorOperators.ROR, turn);
    }

    /** Turns pairs of halves (scale low, offset high) into a and o of {@code groups} groups of a panel. */
    static void widen(MemorySegment pairs, long from, MemorySegment lines, long to, int groups, float factor) {
        FloatVector toA = FloatVector.broadcast(SPECIES, HALF_SCALE * factor);
        FloatVector toO = FloatVector.broadcast(SPECIES, HALF_SCALE);
        for (int g = 0; g < groups; g++) {
            for (long at = 0; at < ROW; at += VECTOR) {
                IntVector v = ints(pairs, from + g * ROW + at);
                FloatVector a = half(v.lanewise(VectorOperators.LSHL, 16)).mul(toA);
                store(a, lines, to + g * LINE + at);
                store(half(v).mul(toO).sub(a), lines, to + g * LINE + ROW + at);
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
            MemorySegment sums,
            long sum) {
        FloatVector s0 = load(sums, sum);
        FloatVector s1 = load(sums, sum + VECTOR);
        int codesPerInt = 32 / field;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        for (int g = 0; g < groups; g++) {
            FloatVector a0 = load(lines, line + g * LINE);
            FloatVector a1 = load(lines, line + g * LINE + VECTOR);
            FloatVector o0 = load(lines, line + g * LINE + ROW);
            FloatVector o1 = load(lines, line + g * LINE + ROW + VECTOR);
            for (int i = 0; i < ints; i++) {
                long index = (long) g * ints + i;
                IntVector v0 = ints(codes, code + index * ROW);
                IntVector v1 = ints(codes, code + index * ROW + VECTOR);
                for (int j = 0; j < codesPerInt; j++) {
                    FloatVector xk = splat(x, xAt + 4 * (index * codesPerInt + j));
                    s0 = xk.fma(weight(v0, in, a0, o0), s0);
                    s1 = xk.fma(weight(v1, in, a1, o1), s1);
                    v0 = next(v0, turn);
                    v1 = next(v1, turn);
                }
            }
        }
        store(s0, sums, sum);
        store(s1, sums, sum + VECTOR);
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
            MemorySegment sums) {
        FloatVector s0 = load(sums, 0);
        FloatVector s1 = load(sums, VECTOR);
        FloatVector s2 = load(sums, 2 * VECTOR);
        FloatVector s3 = load(sums, 3 * VECTOR);
        int codesPerInt = 32 / field;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        for (int g = 0; g < groups; g++) {
            FloatVector a0 = load(lines, lineA + g * LINE);
            FloatVector a1 = load(lines, lineA + g * LINE + VECTOR);
            FloatVector a2 = load(lines, lineB + g * LINE);
            FloatVector a3 = load(lines, lineB + g * LINE + VECTOR);
            FloatVector o0 = load(lines, lineA + g * LINE + ROW);
            FloatVector o1 = load(lines, lineA + g * LINE + ROW + VECTOR);
            FloatVector o2 = load(lines, lineB + g * LINE + ROW);
            FloatVector o3 = load(lines, lineB + g * LINE + ROW + VECTOR);
            for (int i = 0; i < ints; i++) {
                long index = (long) g * ints + i;
                IntVector v0 = ints(codes, codeA + index * ROW);
                IntVector v1 = ints(codes, codeA + index * ROW + VECTOR);
                IntVector v2 = ints(codes, codeB + index * ROW);
                IntVector v3 = ints(codes, codeB + index * ROW + VECTOR);
                for (int j = 0; j < codesPerInt; j++) {
                    FloatVector xk = splat(x, xAt + 4 * (index * codesPerInt + j));
                    s0 = xk.fma(weight(v0, in, a0, o0), s0);
                    s1 = xk.fma(weight(v1, in, a1, o1), s1);
                    s2 = xk.fma(weight(v2, in, a2, o2), s2);
                    s3 = xk.fma(weight(v3, in, a3, o3), s3);
                    v0 = next(v0, turn);
                    v1 = next(v1, turn);
                    v2 = next(v2, turn);
                    v3 = next(v3, turn);
                }
            }
        }
        store(s0, sums, 0);
        store(s1, sums, VECTOR);
        store(s2, sums, 2 * VECTOR);
        store(s3, sums, 3 * VECTOR);
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
            MemorySegment sums,
            long sum) {
        FloatVector s00 = load(sums, sum);
        FloatVector s01 = load(sums, sum + VECTOR);
        FloatVector s10 = load(sums, sum + ROW);
        FloatVector s11 = load(sums, sum + ROW + VECTOR);
        FloatVector s20 = load(sums, sum + 2 * ROW);
        FloatVector s21 = load(sums, sum + 2 * ROW + VECTOR);
        FloatVector s30 = load(sums, sum + 3 * ROW);
        FloatVector s31 = load(sums, sum + 3 * ROW + VECTOR);
        int codesPerInt = 32 / field;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        for (int g = 0; g < groups; g++) {
            FloatVector a0 = load(lines, line + g * LINE);
            FloatVector a1 = load(lines, line + g * LINE + VECTOR);
            FloatVector o0 = load(lines, line + g * LINE + ROW);
            FloatVector o1 = load(lines, line + g * LINE + ROW + VECTOR);
            for (int i = 0; i < ints; i++) {
                long index = (long) g * ints + i;
                IntVector v0 = ints(codes, code + index * ROW);
                IntVector v1 = ints(codes, code + index * ROW + VECTOR);
                for (int j = 0; j < codesPerInt; j++) {
                    long k = 4 * (index * codesPerInt + j);
                    FloatVector w0 = weight(v0, in, a0, o0);
                    FloatVector w1 = weight(v1, in, a1, o1);
                    FloatVector xk = splat(x, x0 + k);
                    s00 = xk.fma(w0, s00);
                    s01 = xk.fma(w1, s01);
                    xk = splat(x, x1 + k);
                    s10 = xk.fma(w0, s10);
                    s11 = xk.fma(w1, s11);
                    xk = splat(x, x2 + k);
                    s20 = xk.fma(w0, s20);
                    s21 = xk.fma(w1, s21);
                    xk = splat(x, x3 + k);
                    s30 = xk.fma(w0, s30);
                    s31 = xk.fma(w1, s31);
                    v0 = next(v0, turn);
                    v1 = next(v1, turn);
                }
            }
        }
        store(s00, sums, sum);
        store(s01, sums, sum + VECTOR);
        store(s10, sums, sum + ROW);
        store(s11, sums, sum + ROW + VECTOR);
        store(s20, sums, sum + 2 * ROW);
        store(s21, sums, sum + 2 * ROW + VECTOR);
        store(s30, sums, sum + 3 * ROW);
        store(s31, sums, sum + 3 * ROW + VECTOR);
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
            FloatVector a0 = load(lines, line + g * LINE);
            FloatVector a1 = load(lines, line + g * LINE + VECTOR);
            FloatVector o0 = load(lines, line + g * LINE + ROW);
            FloatVector o1 = load(lines, line + g * LINE + ROW + VECTOR);
            for (int i = 0; i < ints; i++) {
                long index = (long) g * ints + i;
                IntVector v0 = ints(codes, code + index * ROW);
                IntVector v1 = ints(codes, code + index * ROW + VECTOR);
                for (int j = 0; j < codesPerInt; j++) {
                    long k = index * codesPerInt + j;
                    store(weight(v0, in, a0, o0), weights, to + k * ROW);
                    store(weight(v1, in, a1, o1), weights, to + k * ROW + VECTOR);
                    v0 = next(v0, turn);
                    v1 = next(v1, turn);
                }
            }
        }
    }
}
