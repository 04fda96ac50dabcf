package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.SPECIES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.LSHL;

import dev.apus.kernels.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Panels of F16 or BF16 weights, {@code [inFeatures / 2][WIDTH]} ints of an even input (low half) and the next.
 *
 * <p>Both formats widen in one way: the upper 16 bits of an int, shifted right by 3 for F16 and 0 for BF16 and masked, are a float that
 * is 2^-112 (F16) or 1 (BF16) times the weight. F16's infinities and NaN do not survive this: such weights are kept as
 * {@link FloatPanels}.
 */
final class HalfPanels extends Panels {
    private static final long VECTOR = 4L * LANES;

    private final MemorySegment data;
    private final boolean brain;

    /** Reserves panels for {@link PanelPacker} to fill; {@code inFeatures} must be even. */
    HalfPanels(DType type, int rows, int inFeatures, Arena arena) {
        super(rows, inFeatures);
        brain = type == DType.BF16;
        data = NativeMemory.allocate(arena, bytes(rows, inFeatures));
    }

    /** Bytes that the constructor reserves. */
    static long bytes(int rows, int inFeatures) {
        return (long) count(rows) * inFeatures / 2 * ROW;
    }

    /** Stores the bits of inputs {@code 2 pair} and {@code 2 pair + 1}; false if a value is not finite and the format is F16. */
    boolean put(int row, int pair, short even, short odd) {
        data.set(ValueLayout.JAVA_INT, offset(row / WIDTH, 2 * pair) + 4L * (row % WIDTH), (even & 0xFFFF) | odd << 16);
        return brain || (Float.isFinite(Float.float16ToFloat(even)) && Float.isFinite(Float.float16ToFloat(odd)));
    }

    private long offset(int panel, int input) {
        return ((long) panel * inFeatures + input) / 2 * ROW;
    }

    private int shift() {
        return brain ? 0 : 3;
    }

    private int mask() {
        return brain ? 0xFFFF0000 : CodeKernels.HALF_MASK;
    }

    private float factor() {
        return brain ? 1 : CodeKernels.HALF_SCALE;
    }

    @Override
    void single(int panel, MemorySegment x, long xAt, LinearScratch scratch) {
        for (int strip = 0; strip < WIDTH; strip += STRIP) {
            strip(
                    data,
                    offset(panel, 0) + 4L * strip,
                    inFeatures,
                    shift(),
                    mask(),
                    factor(),
                    x,
                    xAt,
                    scratch.sums(),
                    strip);
        }
    }

    private static void strip(
            MemorySegment data,
            long at,
            int count,
            int shift,
            int mask,
            float scale,
            MemorySegment x,
            long xAt,
            float[] sums,
            int sum) {
        FloatVector factor = FloatVector.broadcast(SPECIES, scale);
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = FloatVector.zero(SPECIES);
        for (int p = 0; p < count / 2; p++) {
            IntVector v0 = IntVector.fromMemorySegment(CodeKernels.INTS, data, at + p * ROW, LITTLE_ENDIAN);
            IntVector v1 = IntVector.fromMemorySegment(CodeKernels.INTS, data, at + p * ROW + VECTOR, LITTLE_ENDIAN);
            FloatVector xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, xAt + 8L * p));
            FloatVector w0 =
                    v0.lanewise(LSHL, 16).lanewise(ASHR, shift).and(mask).reinterpretAsFloats();
            FloatVector w1 =
                    v1.lanewise(LSHL, 16).lanewise(ASHR, shift).and(mask).reinterpretAsFloats();
            s0 = xk.fma(w0.mul(factor), s0);
            s1 = xk.fma(w1.mul(factor), s1);
            xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, xAt + 8L * p + 4));
            w0 = v0.lanewise(ASHR, shift).and(mask).reinterpretAsFloats();
            w1 = v1.lanewise(ASHR, shift).and(mask).reinterpretAsFloats();
            s0 = xk.fma(w0.mul(factor), s0);
            s1 = xk.fma(w1.mul(factor), s1);
        }
        s0.intoArray(sums, sum);
        s1.intoArray(sums, sum + LANES);
    }

    @Override
    void unpack(int panel, int from, int count, LinearScratch scratch) {
        unpack(data, offset(panel, from), count, shift(), mask(), factor(), scratch.weights);
    }

    private static void unpack(
            MemorySegment data, long at, int count, int shift, int mask, float scale, MemorySegment weights) {
        FloatVector factor = FloatVector.broadcast(SPECIES, scale);
        for (int p = 0; p < count / 2; p++) {
            for (long lane = 0; lane < ROW; lane += VECTOR) {
                IntVector v = IntVector.fromMemorySegment(CodeKernels.INTS, data, at + p * ROW + lane, LITTLE_ENDIAN);
                v.lanewise(LSHL, 16)
                        .lanewise(ASHR, shift)
                        .and(mask)
                        .reinterpretAsFloats()
                        .mul(factor)
                        .intoMemorySegment(weights, 2L * p * ROW + lane, LITTLE_ENDIAN);
                v.lanewise(ASHR, shift)
                        .and(mask)
                        .reinterpretAsFloats()
                        .mul(factor)
                        .intoMemorySegment(weights, (2L * p + 1) * ROW + lane, LITTLE_ENDIAN);
            }
        }
    }

    @Override
    float value(int row, int input) {
        int pair = data.get(ValueLayout.JAVA_INT, offset(row / WIDTH, input & ~1) + 4L * (row % WIDTH));
        int bits = input % 2 == 0 ? pair & 0xFFFF : pair >>> 16;
        return brain ? Float.intBitsToFloat(bits << 16) : Float.float16ToFloat((short) bits);
    }

    @Override
    long byteSize() {
        return data.byteSize();
    }
}
