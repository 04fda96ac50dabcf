package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.load;
import static dev.apus.kernels.cpu.VectorMath.splat;
import static dev.apus.kernels.cpu.VectorMath.store;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;

/** Panels of floats, {@code [inFeatures][WIDTH]}: F32 weights, and whatever the compact panels cannot hold. */
final class FloatPanels extends Panels {
    private static final long VECTOR = 4L * LANES;

    private final MemorySegment data;

    /** Reserves zeroed panels for {@link PanelPacker} to fill. */
    FloatPanels(int rows, int inFeatures, Arena arena) {
        super(rows, inFeatures);
        data = NativeMemory.allocate(arena, (long) panels() * inFeatures * ROW);
    }

    void put(int row, int input, float value) {
        data.set(ValueLayout.JAVA_FLOAT, offset(row / WIDTH, input) + 4L * (row % WIDTH), value);
    }

    private long offset(int panel, int input) {
        return ((long) panel * inFeatures + input) * ROW;
    }

    @Override
    void one(int panel, int from, int count, MemorySegment x, long xAt, LinearScratch scratch) {
        for (long strip = 0; strip < ROW; strip += STRIP) {
            one(data, offset(panel, from) + strip, count, x, xAt, scratch.sums(), strip);
        }
    }

    private static void one(
            MemorySegment data, long at, int count, MemorySegment x, long xAt, MemorySegment sums, long sum) {
        FloatVector s0 = load(sums, sum);
        FloatVector s1 = load(sums, sum + VECTOR);
        for (int k = 0; k < count; k++) {
            FloatVector xk = splat(x, xAt + 4L * k);
            s0 = xk.fma(load(data, at + k * ROW), s0);
            s1 = xk.fma(load(data, at + k * ROW + VECTOR), s1);
        }
        store(s0, sums, sum);
        store(s1, sums, sum + VECTOR);
    }

    @Override
    void pair(int panel, int from, int count, MemorySegment x, long xAt, LinearScratch scratch) {
        pair(data, offset(panel, from), offset(panel + 1, from), count, x, xAt, scratch.sums());
    }

    private static void pair(
            MemorySegment data, long first, long second, int count, MemorySegment x, long xAt, MemorySegment sums) {
        FloatVector s0 = load(sums, 0);
        FloatVector s1 = load(sums, VECTOR);
        FloatVector s2 = load(sums, 2 * VECTOR);
        FloatVector s3 = load(sums, 3 * VECTOR);
        for (int k = 0; k < count; k++) {
            FloatVector xk = splat(x, xAt + 4L * k);
            s0 = xk.fma(load(data, first + k * ROW), s0);
            s1 = xk.fma(load(data, first + k * ROW + VECTOR), s1);
            s2 = xk.fma(load(data, second + k * ROW), s2);
            s3 = xk.fma(load(data, second + k * ROW + VECTOR), s3);
        }
        store(s0, sums, 0);
        store(s1, sums, VECTOR);
        store(s2, sums, 2 * VECTOR);
        store(s3, sums, 3 * VECTOR);
    }

    @Override
    void four(
            int panel,
            int from,
            int count,
            MemorySegment x,
            long x0,
            long x1,
            long x2,
            long x3,
            LinearScratch scratch) {
        PanelTile.four(data, offset(panel, from), count, x, x0, x1, x2, x3, scratch.sums(), 0);
    }

    @Override
    void unpack(int panel, int from, int count, LinearScratch scratch) {
        MemorySegment.copy(data, offset(panel, from), scratch.weights, 0, count * ROW);
    }

    @Override
    float value(int row, int input) {
        return data.get(ValueLayout.JAVA_FLOAT, offset(row / WIDTH, input) + 4L * (row % WIDTH));
    }

    @Override
    long byteSize() {
        return data.byteSize();
    }
}
