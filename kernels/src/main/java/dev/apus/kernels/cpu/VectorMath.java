package dev.apus.kernels.cpu;

import dev.apus.kernels.Activation;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Vectors of floats over native memory and the functions on them that the Vector API lacks.
 *
 * <p>Everything here must be inlined by C2 into its caller, so methods are small and vectors never leave registers. Sums across lanes
 * go through {@link #sum}: the order of {@link FloatVector#reduceLanes} is unspecified and differs between interpreted and compiled
 * code, and results must not depend on warm-up.
 */
final class VectorMath {
    /** The machine's vectors, at most 512 bits: KV blocks and scratch memory are laid out for 16 lanes or fewer. */
    static final VectorSpecies<Float> SPECIES =
            FloatVector.SPECIES_PREFERRED.length() > 16 ? FloatVector.SPECIES_512 : FloatVector.SPECIES_PREFERRED;

    static final int LANES = SPECIES.length();

    private static final VectorShuffle<Float> SWAP_8 = VectorShuffle.fromOp(SPECIES, i -> (i ^ 8) & (LANES - 1));
    private static final VectorShuffle<Float> SWAP_4 = VectorShuffle.fromOp(SPECIES, i -> (i ^ 4) & (LANES - 1));
    private static final VectorShuffle<Float> SWAP_2 = VectorShuffle.fromOp(SPECIES, i -> (i ^ 2) & (LANES - 1));
    private static final VectorShuffle<Float> SWAP_1 = VectorShuffle.fromOp(SPECIES, i -> (i ^ 1) & (LANES - 1));

    /** Adding 1.5 * 2^23 rounds a small float to an integer, which then sits in the low bits. */
    private static final float ROUND = 12582912f;

    private static final float LOG2_E = 1.442695f;
    /** ln 2 in two parts: the first has so few bits that its products with exponents are exact. */
    private static final float LN2_HIGH = 0.6933594f;

    private static final float LN2_LOW = -0.00021219444f;
    /** Below, exp is taken as 0: the true value is under the smallest normal float. */
    private static final float EXP_MIN = -87f;
    /** Above, exp would overflow. */
    private static final float EXP_MAX = 88.72f;

    private VectorMath() {}

    static FloatVector load(MemorySegment segment, long offset) {
        return FloatVector.fromMemorySegment(SPECIES, segment, offset, ByteOrder.LITTLE_ENDIAN);
    }

    static FloatVector load(MemorySegment segment, long offset, VectorMask<Float> mask) {
        return FloatVector.fromMemorySegment(SPECIES, segment, offset, ByteOrder.LITTLE_ENDIAN, mask);
    }

    static void store(FloatVector vector, MemorySegment segment, long offset) {
        vector.intoMemorySegment(segment, offset, ByteOrder.LITTLE_ENDIAN);
    }

    static void store(FloatVector vector, MemorySegment segment, long offset, VectorMask<Float> mask) {
        vector.intoMemorySegment(segment, offset, ByteOrder.LITTLE_ENDIAN, mask);
    }

    static FloatVector zero() {
        return FloatVector.zero(SPECIES);
    }

    /** The sum of the lanes, by halves: the same order in every mode of execution. */
    static float sum(FloatVector v) {
        FloatVector s = v;
        if (LANES >= 16) {
            s = s.add(s.rearrange(SWAP_8));
        }
        if (LANES >= 8) {
            s = s.add(s.rearrange(SWAP_4));
        }
        if (LANES >= 4) {
            s = s.add(s.rearrange(SWAP_2));
        }
        return s.add(s.rearrange(SWAP_1)).lane(0);
    }

    /**
     * e^x within 2 ulp; exactly 1 at 0, 0 below -87, above 88.72 the value there: 3.4e38.
     *
     * <p>Range reduction by multiples of ln 2 and the polynomial of Cephes' {@code expf}. No masks: they make so large a part of what
     * is compiled that a caller with two of these no longer keeps its vectors in registers.
     */
    static FloatVector exp(FloatVector exponent) {
        FloatVector x = exponent.min(EXP_MAX);
        FloatVector shifted = x.fma(FloatVector.broadcast(SPECIES, LOG2_E), FloatVector.broadcast(SPECIES, ROUND));
        FloatVector n = shifted.sub(ROUND);
        FloatVector r = n.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), x);
        r = n.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), r);
        FloatVector p = FloatVector.broadcast(SPECIES, 0.00019875691f);
        p = p.fma(r, FloatVector.broadcast(SPECIES, 0.0013981999f));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 0.008333452f));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 0.041665796f));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 0.16666666f));
        p = p.fma(r, FloatVector.broadcast(SPECIES, 0.5f));
        p = p.fma(r.mul(r), r).add(1f);
        // n sits in the low bits of `shifted`; moved to the exponent field and added it multiplies by 2^n.
        IntVector powers = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
        IntVector tooLow = x.sub(EXP_MIN).reinterpretAsInts().lanewise(VectorOperators.ASHR, 31);
        return p.reinterpretAsInts()
                .add(powers)
                .lanewise(VectorOperators.AND_NOT, tooLow)
                .reinterpretAsFloats();
    }

    /** tanh x within 2 ulp of 1: Cephes' polynomial up to 0.625, the exponential form beyond. */
    static FloatVector tanh(FloatVector x) {
        FloatVector s = x.mul(x);
        FloatVector p = FloatVector.broadcast(SPECIES, -0.0057049887f);
        p = p.fma(s, FloatVector.broadcast(SPECIES, 0.020639088f));
        p = p.fma(s, FloatVector.broadcast(SPECIES, -0.053739715f));
        p = p.fma(s, FloatVector.broadcast(SPECIES, 0.13331442f));
        p = p.fma(s, FloatVector.broadcast(SPECIES, -0.3333328f));
        FloatVector near = p.mul(s).fma(x, x);
        FloatVector far = FloatVector.broadcast(SPECIES, 1f)
                .sub(FloatVector.broadcast(SPECIES, 2f).div(exp(x.add(x)).add(1f)));
        return far.blend(near, s.compare(VectorOperators.LT, 0.390625f));
    }

    /** 1 - erf(a) for a >= 0 within 4e-7: Abramowitz and Stegun 7.1.26. */
    static FloatVector erfc(FloatVector a) {
        FloatVector t = FloatVector.broadcast(SPECIES, 1f).div(a.mul(0.3275911f).add(1f));
        FloatVector p = FloatVector.broadcast(SPECIES, 1.0614054f);
        p = p.fma(t, FloatVector.broadcast(SPECIES, -1.4531521f));
        p = p.fma(t, FloatVector.broadcast(SPECIES, 1.4214138f));
        p = p.fma(t, FloatVector.broadcast(SPECIES, -0.28449672f));
        p = p.fma(t, FloatVector.broadcast(SPECIES, 0.2548296f));
        return p.mul(t).mul(exp(a.mul(a).neg()));
    }

    static FloatVector silu(FloatVector x) {
        return x.div(exp(x.neg()).add(1f));
    }

    /** As {@link Activation#GELU}; 1 + erf(-a) is erfc(a), which unlike the difference keeps its digits. */
    static FloatVector gelu(FloatVector x) {
        FloatVector tail = erfc(x.lanewise(VectorOperators.ABS).mul(0.70710677f));
        FloatVector onePlusErf =
                FloatVector.broadcast(SPECIES, 2f).sub(tail).blend(tail, x.compare(VectorOperators.LT, 0f));
        return x.mul(0.5f).mul(onePlusErf);
    }

    /** As {@link Activation#GELU_TANH}. */
    static FloatVector geluTanh(FloatVector x) {
        FloatVector inner = x.mul(x).mul(0.044715f).add(1f).mul(x).mul(0.7978846f);
        return x.mul(0.5f).mul(tanh(inner).add(1f));
    }

    static FloatVector relu(FloatVector x) {
        return x.max(0f);
    }

    static FloatVector relu2(FloatVector x) {
        FloatVector positive = relu(x);
        return positive.mul(positive);
    }
}
