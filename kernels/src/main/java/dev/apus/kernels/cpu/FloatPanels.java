package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.SPECIES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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
        data.set(JAVA_FLOAT, offset(row / WIDTH, input) + 4L * (row % WIDTH), value);
    }

    private long offset(int panel, int input) {
        return ((long) panel * inFeatures + input) * ROW;
    }

    @Override
    void one(int panel, int from, int count, MemorySegment x, long xAt, LinearScratch scratch) {
        for (long strip = 0; strip < ROW; strip += STRIP) {
            one(data, offset(panel, from) + strip, count, x, xAt, scratch.sums(), (int) strip / Float.BYTES);
        }
    }

    private static void one(MemorySegment data, long at, int count, MemorySegment x, long xAt, float[] sums, int sum) {
        FloatVector s0 = FloatVector.fromArray(SPECIES, sums, sum);
        FloatVector s1 = FloatVector.fromArray(SPECIES, sums, sum + LANES);
        for (int k = 0; k < count; k++) {
            FloatVector xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, xAt + 4L * k));
            s0 = xk.fma(FloatVector.fromMemorySegment(SPECIES, data, at + k * ROW, LITTLE_ENDIAN), s0);
            s1 = xk.fma(FloatVector.fromMemorySegment(SPECIES, data, at + k * ROW + VECTOR, LITTLE_ENDIAN), s1);
        }
        s0.intoArray(sums, sum);
        s1.intoArray(sums, sum + LANES);
    }

    @Override
    void pair(int panel, int from, int count, MemorySegment x, long xAt, LinearScratch scratch) {
        pair(data, offset(panel, from), offset(panel + 1, from), count, x, xAt, scratch.sums());
    }

    private static void pair(
            MemorySegment data, long first, long second, int count, MemorySegment x, long xAt, float[] sums) {
        FloatVector s0 = FloatVector.fromArray(SPECIES, sums, 0);
        FloatVector s1 = FloatVector.fromArray(SPECIES, sums, LANES);
        FloatVector s2 = FloatVector.fromArray(SPECIES, sums, 2 * LANES);
        FloatVector s3 = FloatVector.fromArray(SPECIES, sums, 3 * LANES);
        for (int k = 0; k < count; k++) {
            FloatVector xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, xAt + 4L * k));
            s0 = xk.fma(FloatVector.fromMemorySegment(SPECIES, data, first + k * ROW, LITTLE_ENDIAN), s0);
            s1 = xk.fma(FloatVector.fromMemorySegment(SPECIES, data, first + k * ROW + VECTOR, LITTLE_ENDIAN), s1);
            s2 = xk.fma(FloatVector.fromMemorySegment(SPECIES, data, second + k * ROW, LITTLE_ENDIAN), s2);
            s3 = xk.fma(FloatVector.fromMemorySegment(SPECIES, data, second + k * ROW + VECTOR, LITTLE_ENDIAN), s3);
        }
        s0.intoArray(sums, 0);
        s1.intoArray(sums, LANES);
        s2.intoArray(sums, 2 * LANES);
        s3.intoArray(sums, 3 * LANES);
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
        return data.get(JAVA_FLOAT, offset(row / WIDTH, input) + 4L * (row % WIDTH));
    }

    @Override
    long byteSize() {
        return data.byteSize();
    }
}
