package dev.apus.kernels.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Passes over logits with the Vector API. Sums are added lane by lane, because the order of a vector reduction is not specified. */
final class LogitVectors implements LogitPasses {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Integer> INTS = SPECIES.withLanes(int.class);
    private static final int LANES = SPECIES.length();
    private static final float LOG2_E = 1.442695f;
    /** ln 2 in two parts (Cody and Waite): the upper has trailing zeros, so that its products are exact. */
    private static final float LN2_HI = 0x1.63p-1f;

    private static final float LN2_LO = -2.1219444e-4f;
    /** 1.5 * 2^23: adding it rounds to an integer, which is then in the low bits. */
    private static final float ROUND = 12582912f;
    /** Below it exp is no normal float any more; taken as 0. */
    private static final float EXP_MIN = -87f;

    /** Where a sum's lanes are added. */
    private final float[] lanes = new float[LANES];

    @Override
    public int stride() {
        return LANES;
    }

    @Override
    public int argmax(MemorySegment data, long offset, int count) {
        if (count < LANES) {
            return argmaxTail(data, offset, 0, count, -1, Float.NEGATIVE_INFINITY);
        }
        FloatVector best = FloatVector.fromMemorySegment(SPECIES, data, offset, ByteOrder.nativeOrder());
        // Turns NaN once a NaN or an infinity was added: the rare case is told apart by a second look.
        FloatVector poison = best.mul(0f);
        IntVector at = IntVector.zero(INTS);
        int i = LANES;
        for (; i <= count - LANES; i += LANES) {
            FloatVector v = FloatVector.fromMemorySegment(SPECIES, data, offset + 4L * i, ByteOrder.nativeOrder());
            VectorMask<Float> greater = v.compare(VectorOperators.GT, best);
            best = best.blend(v, greater);
            at = at.blend(IntVector.broadcast(INTS, i), greater.cast(INTS));
            poison = v.fma(FloatVector.zero(SPECIES), poison);
        }
        if (poison.test(VectorOperators.IS_NAN).anyTrue() && holdsNanOrInfinity(data, offset, count)) {
            return -1;
        }
        int bestId = -1;
        float bestValue = Float.NEGATIVE_INFINITY;
        for (int lane = 0; lane < LANES; lane++) {
            float value = best.lane(lane);
            int id = at.lane(lane) + lane;
            if (bestId < 0 || value > bestValue || (value == bestValue && id < bestId)) {
                bestId = id;
                bestValue = value;
            }
        }
        return argmaxTail(data, offset, i, count, bestId, bestValue);
    }

    private static int argmaxTail(MemorySegment data, long offset, int from, int count, int bestId, float bestValue) {
        int id = bestId;
        float best = bestValue;
        for (int i = from; i < count; i++) {
            float value = data.get(ValueLayout.JAVA_FLOAT_UNALIGNED, offset + 4L * i);
            if (Float.isNaN(value) || value == Float.POSITIVE_INFINITY) {
                return -1;
            }
            if (id < 0 || value > best) {
                id = i;
                best = value;
            }
        }
        return id;
    }

    private static boolean holdsNanOrInfinity(MemorySegment data, long offset, int count) {
        for (int i = 0; i < count; i++) {
            float value = data.get(ValueLayout.JAVA_FLOAT_UNALIGNED, offset + 4L * i);
            if (Float.isNaN(value) || value == Float.POSITIVE_INFINITY) {
                return true;
            }
        }
        return false;
    }

    @Override
    public boolean corrupted(float[] values) {
        VectorMask<Float> bad = SPECIES.maskAll(false);
        for (int i = 0; i < values.length; i += LANES) {
            FloatVector v = FloatVector.fromArray(SPECIES, values, i);
            // False for NaN too.
            bad = bad.or(v.compare(VectorOperators.LT, Float.POSITIVE_INFINITY).not());
        }
        return bad.anyTrue();
    }

    @Override
    public int argmax(float[] values) {
        FloatVector best = FloatVector.fromArray(SPECIES, values, 0);
        IntVector at = IntVector.zero(INTS);
        for (int i = LANES; i < values.length; i += LANES) {
            FloatVector v = FloatVector.fromArray(SPECIES, values, i);
            VectorMask<Float> greater = v.compare(VectorOperators.GT, best);
            best = best.blend(v, greater);
            at = at.blend(IntVector.broadcast(INTS, i), greater.cast(INTS));
        }
        int bestId = 0;
        float bestValue = Float.NEGATIVE_INFINITY;
        for (int lane = 0; lane < LANES; lane++) {
            float value = best.lane(lane);
            int id = at.lane(lane) + lane;
            if (value > bestValue || (value == bestValue && id < bestId)) {
                bestId = id;
                bestValue = value;
            }
        }
        return bestId;
    }

    @Override
    public void scale(float[] values, float factor) {
        for (int i = 0; i < values.length; i += LANES) {
            FloatVector.fromArray(SPECIES, values, i).mul(factor).intoArray(values, i);
        }
    }

    @Override
    public double expSum(float[] values, float max) {
        double sum = 0;
        for (int from = 0; from < values.length; from += CHUNK) {
            sum += expSumChunk(values, max, from);
        }
        return sum;
    }

    private double expSumChunk(float[] values, float max, int from) {
        FloatVector sum = FloatVector.zero(SPECIES);
        for (int i = from; i < from + CHUNK; i += LANES) {
            sum = sum.add(exp(FloatVector.fromArray(SPECIES, values, i).sub(max)));
        }
        return add(sum);
    }

    @Override
    public double expSums(float[] values, float max, double[] sums) {
        double total = 0;
        for (int from = 0; from < values.length; from += CHUNK) {
            double sum = expChunk(values, max, from);
            sums[from / CHUNK] = sum;
            total += sum;
        }
        return total;
    }

    private double expChunk(float[] values, float max, int from) {
        FloatVector sum = FloatVector.zero(SPECIES);
        for (int i = from; i < from + CHUNK; i += LANES) {
            FloatVector e = exp(FloatVector.fromArray(SPECIES, values, i).sub(max));
            e.intoArray(values, i);
            sum = sum.add(e);
        }
        return add(sum);
    }

    private double add(FloatVector sum) {
        sum.intoArray(lanes, 0);
        double total = 0;
        for (int lane = 0; lane < LANES; lane++) {
            total += lanes[lane];
        }
        return total;
    }

    /** exp of arguments of 0 or less: powers of two times a polynomial on [-ln2/2, ln2/2] (Cephes' expf), within 2 ulp. */
    private static FloatVector exp(FloatVector x) {
        FloatVector shifted =
                x.max(EXP_MIN).fma(FloatVector.broadcast(SPECIES, LOG2_E), FloatVector.broadcast(SPECIES, ROUND));
        FloatVector n = shifted.sub(ROUND);
        FloatVector r = n.fma(FloatVector.broadcast(SPECIES, -LN2_HI), x);
        r = n.fma(FloatVector.broadcast(SPECIES, -LN2_LO), r);
        FloatVector p = FloatVector.broadcast(SPECIES, 1.9875691e-4f);
        p = p.fma(r, FloatVector.broadcast(SPECIES, 0.0013981999f));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 0.008333452f));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 0.041665796f));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 0.16666666f));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 0.5f));
        p = p.mul(r).fma(r, r).add(1f);
        IntVector power =
                shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23).add(Float.floatToRawIntBits(1f));
        return p.mul(power.reinterpretAsFloats()).blend(0f, x.compare(VectorOperators.LT, EXP_MIN));
    }

    @Override
    public int countGreater(float[] values, float limit) {
        int count = 0;
        for (int i = 0; i < values.length; i += LANES) {
            count += FloatVector.fromArray(SPECIES, values, i)
                    .compare(VectorOperators.GT, limit)
                    .trueCount();
        }
        return count;
    }

    @Override
    public int atLeast(float[] values, int end, float limit, int[] ids) {
        int count = 0;
        for (int i = 0; i < end; i += LANES) {
            long mask = FloatVector.fromArray(SPECIES, values, i)
                    .compare(VectorOperators.GE, limit)
                    .toLong();
            while (mask != 0) {
                int id = i + Long.numberOfTrailingZeros(mask);
                mask &= mask - 1;
                if (id < end) {
                    ids[count++] = id;
                }
            }
        }
        return count;
    }

    @Override
    public int nextGreater(float[] values, int from, float limit) {
        int i = from;
        while (i < values.length
                && !FloatVector.fromArray(SPECIES, values, i)
                        .compare(VectorOperators.GT, limit)
                        .anyTrue()) {
            i += LANES;
        }
        return i;
    }
}
