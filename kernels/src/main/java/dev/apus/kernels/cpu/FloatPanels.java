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
        data = NativeMemory.allocate(arena, bytes(rows, inFeatures));
    }

    /** Bytes that the constructor reserves. */
    static long bytes(int rows, int inFeatures) {
        return (long) count(rows) * inFeatures * ROW;
    }

    void put(int row, int input, float value) {
        data.set(JAVA_FLOAT, offset(row / WIDTH, input) + 4L * (row % WIDTH), value);
    }

    private long offset(int panel, int input) {
        return ((long) panel * inFeatures + input) * ROW;
    }

    @Override
    void single(int panel, MemorySegment x, long xAt, LinearScratch scratch) {
        for (int strip = 0; strip < WIDTH; strip += STRIP) {
            strip(data, offset(panel, 0) + 4L * strip, inFeatures, x, xAt, scratch.sums(), strip);
        }
    }

    private static void strip(
            MemorySegment data, long at, int count, MemorySegment x, long xAt, float[] sums, int sum) {
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = FloatVector.zero(SPECIES);
        for (int k = 0; k < count; k++) {
            FloatVector xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, xAt + 4L * k));
            s0 = xk.fma(FloatVector.fromMemorySegment(SPECIES, data, at + k * ROW, LITTLE_ENDIAN), s0);
            s1 = xk.fma(FloatVector.fromMemorySegment(SPECIES, data, at + k * ROW + VECTOR, LITTLE_ENDIAN), s1);
        }
        s0.intoArray(sums, sum);
        s1.intoArray(sums, sum + LANES);
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
