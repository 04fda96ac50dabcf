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
 * and the rotation to the next, {@code mask} the field in place; {@code inputSums} holds a row's sums of {@value CodePanels#GRANULE}
 * inputs from index {@code granule} on.
 *
 * <p>The loops call the Vector API alone, no helpers of ours: C2 stops inlining ordinary methods when a method has grown past a number
 * of nodes (NodeCountInliningCutoff) that two of these loops' worth of memory accesses reach, and a vector that crosses a call that was
 * not inlined is an object on the heap, which made these loops twenty times slower. The API's own methods are exempt from the limit.
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

    /** One row times a strip whose lines are pairs of halves; {@code factor} is 2 to the power of the codes' bits. */
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
            float[] inputSums,
            float[] sums,
            int sum) {
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = FloatVector.zero(SPECIES);
        int codesPerInt = 32 / field;
        int granules = ints * codesPerInt / CodePanels.GRANULE;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        FloatVector toA = FloatVector.broadcast(SPECIES, HALF_SCALE * factor);
        FloatVector toO = FloatVector.broadcast(SPECIES, HALF_SCALE);
        long block = at;
        long input = xAt;
        for (int g = 0; g < groups; g++) {
            FloatVector t0 = FloatVector.zero(SPECIES);
            FloatVector t1 = FloatVector.zero(SPECIES);
            for (int i = 0; i < ints; i++) {
                IntVector v0 = IntVector.fromMemorySegment(INTS, blocks, block, LITTLE_ENDIAN);
                IntVector v1 = IntVector.fromMemorySegment(INTS, blocks, block + VECTOR, LITTLE_ENDIAN);
                block += ROW;
                for (int j = 0; j < codesPerInt; j++) {
                    FloatVector xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, input));
                    input += 4;
                    t0 = xk.fma(v0.and(in).or(ONES).reinterpretAsFloats(), t0);
                    t1 = xk.fma(v1.and(in).or(ONES).reinterpretAsFloats(), t1);
                    v0 = v0.lanewise(ROR, turn);
                    v1 = v1.lanewise(ROR, turn);
                }
            }
            float inputs = granules == 1 ? inputSums[g] : inputSums[2 * g] + inputSums[2 * g + 1];
            FloatVector xs = FloatVector.broadcast(SPECIES, inputs);
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
            FloatVector o0 =
                    h0.lanewise(ASHR, 3).and(HALF_MASK).reinterpretAsFloats().mul(toO);
            FloatVector o1 =
                    h1.lanewise(ASHR, 3).and(HALF_MASK).reinterpretAsFloats().mul(toO);
            s0 = o0.fma(xs, a0.fma(t0.sub(xs), s0));
            s1 = o1.fma(xs, a1.fma(t1.sub(xs), s1));
        }
        s0.intoArray(sums, sum);
        s1.intoArray(sums, sum + LANES);
    }

    /** One row times a strip whose lines are floats. */
    static void floats(
            MemorySegment blocks,
            long at,
            int groups,
            int ints,
            int field,
            int mask,
            MemorySegment x,
            long xAt,
            float[] inputSums,
            float[] sums,
            int sum) {
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = FloatVector.zero(SPECIES);
        int codesPerInt = 32 / field;
        int granules = ints * codesPerInt / CodePanels.GRANULE;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        long block = at;
        long input = xAt;
        for (int g = 0; g < groups; g++) {
            FloatVector t0 = FloatVector.zero(SPECIES);
            FloatVector t1 = FloatVector.zero(SPECIES);
            for (int i = 0; i < ints; i++) {
                IntVector v0 = IntVector.fromMemorySegment(INTS, blocks, block, LITTLE_ENDIAN);
                IntVector v1 = IntVector.fromMemorySegment(INTS, blocks, block + VECTOR, LITTLE_ENDIAN);
                block += ROW;
                for (int j = 0; j < codesPerInt; j++) {
                    FloatVector xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, input));
                    input += 4;
                    t0 = xk.fma(v0.and(in).or(ONES).reinterpretAsFloats(), t0);
                    t1 = xk.fma(v1.and(in).or(ONES).reinterpretAsFloats(), t1);
                    v0 = v0.lanewise(ROR, turn);
                    v1 = v1.lanewise(ROR, turn);
                }
            }
            float inputs = granules == 1 ? inputSums[g] : inputSums[2 * g] + inputSums[2 * g + 1];
            FloatVector xs = FloatVector.broadcast(SPECIES, inputs);
            FloatVector a0 = FloatVector.fromMemorySegment(SPECIES, blocks, block, LITTLE_ENDIAN);
            FloatVector a1 = FloatVector.fromMemorySegment(SPECIES, blocks, block + VECTOR, LITTLE_ENDIAN);
            FloatVector o0 = FloatVector.fromMemorySegment(SPECIES, blocks, block + ROW, LITTLE_ENDIAN);
            FloatVector o1 = FloatVector.fromMemorySegment(SPECIES, blocks, block + ROW + VECTOR, LITTLE_ENDIAN);
            block += 2 * ROW;
            s0 = o0.fma(xs, a0.fma(t0.sub(xs), s0));
            s1 = o1.fma(xs, a1.fma(t1.sub(xs), s1));
        }
        s0.intoArray(sums, sum);
        s1.intoArray(sums, sum + LANES);
    }

    /** Writes a group's f of a strip as floats, {@link Panels#ROW} bytes for each input. */
    static void unpack(MemorySegment blocks, long at, int ints, int field, int mask, MemorySegment weights, long to) {
        int codesPerInt = 32 / field;
        IntVector turn = IntVector.broadcast(INTS, field);
        IntVector in = IntVector.broadcast(INTS, mask);
        long target = to;
        for (int i = 0; i < ints; i++) {
            IntVector v0 = IntVector.fromMemorySegment(INTS, blocks, at + i * ROW, LITTLE_ENDIAN);
            IntVector v1 = IntVector.fromMemorySegment(INTS, blocks, at + i * ROW + VECTOR, LITTLE_ENDIAN);
            for (int j = 0; j < codesPerInt; j++) {
                v0.and(in).or(ONES).intoMemorySegment(weights, target, LITTLE_ENDIAN);
                v1.and(in).or(ONES).intoMemorySegment(weights, target + VECTOR, LITTLE_ENDIAN);
                v0 = v0.lanewise(ROR, turn);
                v1 = v1.lanewise(ROR, turn);
                target += ROW;
            }
        }
    }

    /** Turns a group's pairs of halves (scale low, offset high) into a and offset as floats, {@code [2][WIDTH]}. */
    static void widen(MemorySegment pairs, long from, float[] lines, int to, float factor) {
        for (int i = 0; i < Panels.WIDTH; i += LANES) {
            IntVector v = IntVector.fromMemorySegment(INTS, pairs, from + 4L * i, LITTLE_ENDIAN);
            v.lanewise(LSHL, 16)
                    .lanewise(ASHR, 3)
                    .and(HALF_MASK)
                    .reinterpretAsFloats()
                    .mul(HALF_SCALE * factor)
                    .intoArray(lines, to + i);
            v.lanewise(ASHR, 3)
                    .and(HALF_MASK)
                    .reinterpretAsFloats()
                    .mul(HALF_SCALE)
                    .intoArray(lines, to + Panels.WIDTH + i);
        }
    }

    /**
     * Adds a group to the sums of {@code rows} rows and one strip.
     *
     * @param products each row's sums of x times f over the group, {@code [rows][WIDTH]}
     * @param lines the group's a and offset from index {@code line} on
     * @param granule index of the first row's sum of inputs, {@code stride} before the next row's
     */
    static void fold(
            float[] products,
            float[] lines,
            int line,
            float[] inputSums,
            int granule,
            int stride,
            int granules,
            int rows,
            float[] sums,
            int sum) {
        FloatVector a0 = FloatVector.fromArray(SPECIES, lines, line);
        FloatVector a1 = FloatVector.fromArray(SPECIES, lines, line + LANES);
        FloatVector o0 = FloatVector.fromArray(SPECIES, lines, line + Panels.WIDTH);
        FloatVector o1 = FloatVector.fromArray(SPECIES, lines, line + Panels.WIDTH + LANES);
        for (int r = 0; r < rows; r++) {
            int first = granule + r * stride;
            float inputs = granules == 1 ? inputSums[first] : inputSums[first] + inputSums[first + 1];
            FloatVector xs = FloatVector.broadcast(SPECIES, inputs);
            int product = r * Panels.WIDTH;
            int at = sum + r * Panels.WIDTH;
            FloatVector t0 = FloatVector.fromArray(SPECIES, products, product).sub(xs);
            FloatVector t1 =
                    FloatVector.fromArray(SPECIES, products, product + LANES).sub(xs);
            o0.fma(xs, a0.fma(t0, FloatVector.fromArray(SPECIES, sums, at))).intoArray(sums, at);
            o1.fma(xs, a1.fma(t1, FloatVector.fromArray(SPECIES, sums, at + LANES)))
                    .intoArray(sums, at + LANES);
        }
    }
}
