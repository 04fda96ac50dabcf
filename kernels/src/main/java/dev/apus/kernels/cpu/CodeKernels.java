package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.SPECIES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.ROR;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Inner loops over {@link CodePanels}, two vectors of outputs at a time.
 *
 * <p>Common parameters: {@code blocks} and {@code at} locate the first group of a strip; {@code field} is the width of a code's field
 * and the rotation to the next, {@code mask} the field in place.
 *
 * <p>The loops call the Vector API alone, no helpers of ours: C2 stops inlining ordinary methods when a method has grown past a number
 * of nodes (NodeCountInliningCutoff) that two of these loops' worth of memory accesses reach, and a vector that crosses a call that was
 * not inlined is an object on the heap, which made these loops twenty times slower. The API's own methods are exempt from the limit. That
 * is also why they do not fit a screen: the two vectors' statements stand side by side, and none can move to a method of its own.
 */
final class CodeKernels {
    static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, SPECIES.vectorShape());

    /** The bits of 1f: exponent 0, under which a mantissa field f reads as 1 + f. */
    static final int ONE = 0x3F800000;

    /** Sign, exponent and mantissa of a half that was shifted right by 3 with its sign: below float's by 2^112. */
    static final int HALF_MASK = 0x8FFFE000;

    static final float HALF_SCALE = 0x1p112f;

    private static final IntVector ONES = IntVector.broadcast(INTS, ONE);

    private static final long VECTOR = 4L * LANES;
    private static final long ROW = Panels.ROW;

    private CodeKernels() {}

    /**
     * One row times a strip whose lines are pairs of halves.
     *
     * @param factor 2 to the power of the codes' bits
     */
    static void halves(
            MemorySegment blocks,
            long at,
            int groups,
            int ints,
            int field,
            int mask,
            float factor,
            MemorySegment x,
            long xAt,
            float[] sums,
            int sum) {
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = FloatVector.zero(SPECIES);
        int codesPerInt = 32 / field;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        FloatVector toA = FloatVector.broadcast(SPECIES, HALF_SCALE * factor);
        FloatVector toO = FloatVector.broadcast(SPECIES, HALF_SCALE);
        long block = at;
        long input = xAt;
        for (int g = 0; g < groups; g++) {
            IntVector h0 = IntVector.fromMemorySegment(INTS, blocks, block, LITTLE_ENDIAN);
            IntVector h1 = IntVector.fromMemorySegment(INTS, blocks, block + VECTOR, LITTLE_ENDIAN);
            block += ROW;
            FloatVector a0 = h0.lanewise(LSHL, 16)
                    .lanewise(ASHR, 3)
                    .and(HALF_MASK)
                    .reinterpretAsFloats()
                    .mul(toA);
            FloatVector a1 = h1.lanewise(LSHL, 16)
                    .lanewise(ASHR, 3)
                    .and(HALF_MASK)
                    .reinterpretAsFloats()
                    .mul(toA);
            FloatVector b0 = h0.lanewise(ASHR, 3)
                    .and(HALF_MASK)
                    .reinterpretAsFloats()
                    .mul(toO)
                    .sub(a0);
            FloatVector b1 = h1.lanewise(ASHR, 3)
                    .and(HALF_MASK)
                    .reinterpretAsFloats()
                    .mul(toO)
                    .sub(a1);
            for (int i = 0; i < ints; i++) {
                IntVector v0 = IntVector.fromMemorySegment(INTS, blocks, block, LITTLE_ENDIAN);
                IntVector v1 = IntVector.fromMemorySegment(INTS, blocks, block + VECTOR, LITTLE_ENDIAN);
                block += ROW;
                for (int j = 0; j < codesPerInt; j++) {
                    FloatVector xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, input));
                    input += 4;
                    s0 = xk.fma(v0.and(in).or(ONES).reinterpretAsFloats().fma(a0, b0), s0);
                    s1 = xk.fma(v1.and(in).or(ONES).reinterpretAsFloats().fma(a1, b1), s1);
                    v0 = v0.lanewise(ROR, turn);
                    v1 = v1.lanewise(ROR, turn);
                }
            }
        }
        s0.intoArray(sums, sum);
        s1.intoArray(sums, sum + LANES);
    }

    /** As {@link #halves} where lines are floats. */
    static void floats(
            MemorySegment blocks,
            long at,
            int groups,
            int ints,
            int field,
            int mask,
            MemorySegment x,
            long xAt,
            float[] sums,
            int sum) {
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = FloatVector.zero(SPECIES);
        int codesPerInt = 32 / field;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        long block = at;
        long input = xAt;
        for (int g = 0; g < groups; g++) {
            FloatVector a0 = FloatVector.fromMemorySegment(SPECIES, blocks, block, LITTLE_ENDIAN);
            FloatVector a1 = FloatVector.fromMemorySegment(SPECIES, blocks, block + VECTOR, LITTLE_ENDIAN);
            FloatVector b0 = FloatVector.fromMemorySegment(SPECIES, blocks, block + ROW, LITTLE_ENDIAN);
            FloatVector b1 = FloatVector.fromMemorySegment(SPECIES, blocks, block + ROW + VECTOR, LITTLE_ENDIAN);
            block += 2 * ROW;
            for (int i = 0; i < ints; i++) {
                IntVector v0 = IntVector.fromMemorySegment(INTS, blocks, block, LITTLE_ENDIAN);
                IntVector v1 = IntVector.fromMemorySegment(INTS, blocks, block + VECTOR, LITTLE_ENDIAN);
                block += ROW;
                for (int j = 0; j < codesPerInt; j++) {
                    FloatVector xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, input));
                    input += 4;
                    s0 = xk.fma(v0.and(in).or(ONES).reinterpretAsFloats().fma(a0, b0), s0);
                    s1 = xk.fma(v1.and(in).or(ONES).reinterpretAsFloats().fma(a1, b1), s1);
                    v0 = v0.lanewise(ROR, turn);
                    v1 = v1.lanewise(ROR, turn);
                }
            }
        }
        s0.intoArray(sums, sum);
        s1.intoArray(sums, sum + LANES);
    }

    /** Writes a group's weights of a strip as floats, {@link Panels#ROW} bytes for each input; lines {@code [2][WIDTH]}. */
    static void unpack(
            MemorySegment blocks,
            long at,
            int ints,
            int field,
            int mask,
            float[] lines,
            int line,
            MemorySegment weights,
            long to) {
        FloatVector a0 = FloatVector.fromArray(SPECIES, lines, line);
        FloatVector a1 = FloatVector.fromArray(SPECIES, lines, line + LANES);
        FloatVector b0 = FloatVector.fromArray(SPECIES, lines, line + Panels.WIDTH);
        FloatVector b1 = FloatVector.fromArray(SPECIES, lines, line + Panels.WIDTH + LANES);
        int codesPerInt = 32 / field;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        long target = to;
        for (int i = 0; i < ints; i++) {
            IntVector v0 = IntVector.fromMemorySegment(INTS, blocks, at + i * ROW, LITTLE_ENDIAN);
            IntVector v1 = IntVector.fromMemorySegment(INTS, blocks, at + i * ROW + VECTOR, LITTLE_ENDIAN);
            for (int j = 0; j < codesPerInt; j++) {
                FloatVector w0 = v0.and(in).or(ONES).reinterpretAsFloats().fma(a0, b0);
                FloatVector w1 = v1.and(in).or(ONES).reinterpretAsFloats().fma(a1, b1);
                w0.intoMemorySegment(weights, target, LITTLE_ENDIAN);
                w1.intoMemorySegment(weights, target + VECTOR, LITTLE_ENDIAN);
                v0 = v0.lanewise(ROR, turn);
                v1 = v1.lanewise(ROR, turn);
                target += ROW;
            }
        }
    }

    /** Turns a group's pairs of halves (scale low, offset high) into lines of floats, {@code [2][WIDTH]}. */
    static void widen(MemorySegment blocks, long from, float[] lines, float factor) {
        for (int i = 0; i < Panels.WIDTH; i += LANES) {
            IntVector v = IntVector.fromMemorySegment(INTS, blocks, from + 4L * i, LITTLE_ENDIAN);
            FloatVector a = v.lanewise(LSHL, 16)
                    .lanewise(ASHR, 3)
                    .and(HALF_MASK)
                    .reinterpretAsFloats()
                    .mul(HALF_SCALE * factor);
            a.intoArray(lines, i);
            v.lanewise(ASHR, 3)
                    .and(HALF_MASK)
                    .reinterpretAsFloats()
                    .mul(HALF_SCALE)
                    .sub(a)
                    .intoArray(lines, Panels.WIDTH + i);
        }
    }
}
