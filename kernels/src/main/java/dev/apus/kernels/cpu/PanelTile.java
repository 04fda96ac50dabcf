package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.SPECIES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * The register tiles of matrix times matrix: rows of activations times two vectors of outputs whose weights lie as floats, sums staying
 * in registers over a step of inputs.
 */
final class PanelTile {
    /** Rows of the tallest tile: 16 sums, two weights and an input need AVX-512's 32 registers; elsewhere 8 sums suit 16. */
    static final int ROWS = LANES == 16 ? 8 : 4;

    private static final long VECTOR = 4L * LANES;
    private static final long ROW = Panels.ROW;

    private PanelTile() {}

    /** Four rows of inputs at {@code x0} to {@code x3} times a panel; sums rows from byte {@code sum} on. */
    static void four(
            MemorySegment weights,
            long at,
            int count,
            MemorySegment x,
            long x0,
            long x1,
            long x2,
            long x3,
            MemorySegment sums,
            long sum) {
        for (long strip = 0; strip < ROW; strip += Panels.STRIP) {
            strip4(weights, at + strip, count, x, x0, x1, x2, x3, sums, sum + strip);
        }
    }

    private static void strip4(
            MemorySegment weights,
            long at,
            int count,
            MemorySegment x,
            long x0,
            long x1,
            long x2,
            long x3,
            MemorySegment sums,
            long sum) {
        FloatVector s00 = FloatVector.fromMemorySegment(SPECIES, sums, sum, LITTLE_ENDIAN);
        FloatVector s01 = FloatVector.fromMemorySegment(SPECIES, sums, sum + VECTOR, LITTLE_ENDIAN);
        FloatVector s10 = FloatVector.fromMemorySegment(SPECIES, sums, sum + ROW, LITTLE_ENDIAN);
        FloatVector s11 = FloatVector.fromMemorySegment(SPECIES, sums, sum + ROW + VECTOR, LITTLE_ENDIAN);
        FloatVector s20 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 2 * ROW, LITTLE_ENDIAN);
        FloatVector s21 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 2 * ROW + VECTOR, LITTLE_ENDIAN);
        FloatVector s30 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 3 * ROW, LITTLE_ENDIAN);
        FloatVector s31 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 3 * ROW + VECTOR, LITTLE_ENDIAN);
        for (int k = 0; k < count; k++) {
            FloatVector w0 = FloatVector.fromMemorySegment(SPECIES, weights, at + k * ROW, LITTLE_ENDIAN);
            FloatVector w1 = FloatVector.fromMemorySegment(SPECIES, weights, at + k * ROW + VECTOR, LITTLE_ENDIAN);
            FloatVector xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x0 + 4L * k));
            s00 = xk.fma(w0, s00);
            s01 = xk.fma(w1, s01);
            xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x1 + 4L * k));
            s10 = xk.fma(w0, s10);
            s11 = xk.fma(w1, s11);
            xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x2 + 4L * k));
            s20 = xk.fma(w0, s20);
            s21 = xk.fma(w1, s21);
            xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x3 + 4L * k));
            s30 = xk.fma(w0, s30);
            s31 = xk.fma(w1, s31);
        }
        s00.intoMemorySegment(sums, sum, LITTLE_ENDIAN);
        s01.intoMemorySegment(sums, sum + VECTOR, LITTLE_ENDIAN);
        s10.intoMemorySegment(sums, sum + ROW, LITTLE_ENDIAN);
        s11.intoMemorySegment(sums, sum + ROW + VECTOR, LITTLE_ENDIAN);
        s20.intoMemorySegment(sums, sum + 2 * ROW, LITTLE_ENDIAN);
        s21.intoMemorySegment(sums, sum + 2 * ROW + VECTOR, LITTLE_ENDIAN);
        s30.intoMemorySegment(sums, sum + 3 * ROW, LITTLE_ENDIAN);
        s31.intoMemorySegment(sums, sum + 3 * ROW + VECTOR, LITTLE_ENDIAN);
    }

    /** Eight rows of inputs, {@code stride} bytes apart, times a panel of one strip. */
    static void eight(
            MemorySegment weights, int count, MemorySegment x, long x0, long stride, MemorySegment sums, long sum) {
        FloatVector s00 = FloatVector.fromMemorySegment(SPECIES, sums, sum, LITTLE_ENDIAN);
        FloatVector s01 = FloatVector.fromMemorySegment(SPECIES, sums, sum + VECTOR, LITTLE_ENDIAN);
        FloatVector s10 = FloatVector.fromMemorySegment(SPECIES, sums, sum + ROW, LITTLE_ENDIAN);
        FloatVector s11 = FloatVector.fromMemorySegment(SPECIES, sums, sum + ROW + VECTOR, LITTLE_ENDIAN);
        FloatVector s20 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 2 * ROW, LITTLE_ENDIAN);
        FloatVector s21 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 2 * ROW + VECTOR, LITTLE_ENDIAN);
        FloatVector s30 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 3 * ROW, LITTLE_ENDIAN);
        FloatVector s31 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 3 * ROW + VECTOR, LITTLE_ENDIAN);
        FloatVector s40 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 4 * ROW, LITTLE_ENDIAN);
        FloatVector s41 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 4 * ROW + VECTOR, LITTLE_ENDIAN);
        FloatVector s50 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 5 * ROW, LITTLE_ENDIAN);
        FloatVector s51 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 5 * ROW + VECTOR, LITTLE_ENDIAN);
        FloatVector s60 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 6 * ROW, LITTLE_ENDIAN);
        FloatVector s61 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 6 * ROW + VECTOR, LITTLE_ENDIAN);
        FloatVector s70 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 7 * ROW, LITTLE_ENDIAN);
        FloatVector s71 = FloatVector.fromMemorySegment(SPECIES, sums, sum + 7 * ROW + VECTOR, LITTLE_ENDIAN);
        for (int k = 0; k < count; k++) {
            FloatVector w0 = FloatVector.fromMemorySegment(SPECIES, weights, k * ROW, LITTLE_ENDIAN);
            FloatVector w1 = FloatVector.fromMemorySegment(SPECIES, weights, k * ROW + VECTOR, LITTLE_ENDIAN);
            FloatVector xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x0 + 4L * k));
            s00 = xk.fma(w0, s00);
            s01 = xk.fma(w1, s01);
            xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x0 + stride + 4L * k));
            s10 = xk.fma(w0, s10);
            s11 = xk.fma(w1, s11);
            xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x0 + 2 * stride + 4L * k));
            s20 = xk.fma(w0, s20);
            s21 = xk.fma(w1, s21);
            xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x0 + 3 * stride + 4L * k));
            s30 = xk.fma(w0, s30);
            s31 = xk.fma(w1, s31);
            xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x0 + 4 * stride + 4L * k));
            s40 = xk.fma(w0, s40);
            s41 = xk.fma(w1, s41);
            xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x0 + 5 * stride + 4L * k));
            s50 = xk.fma(w0, s50);
            s51 = xk.fma(w1, s51);
            xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x0 + 6 * stride + 4L * k));
            s60 = xk.fma(w0, s60);
            s61 = xk.fma(w1, s61);
            xk = FloatVector.broadcast(SPECIES, x.get(JAVA_FLOAT, x0 + 7 * stride + 4L * k));
            s70 = xk.fma(w0, s70);
            s71 = xk.fma(w1, s71);
        }
        s00.intoMemorySegment(sums, sum, LITTLE_ENDIAN);
        s01.intoMemorySegment(sums, sum + VECTOR, LITTLE_ENDIAN);
        s10.intoMemorySegment(sums, sum + ROW, LITTLE_ENDIAN);
        s11.intoMemorySegment(sums, sum + ROW + VECTOR, LITTLE_ENDIAN);
        s20.intoMemorySegment(sums, sum + 2 * ROW, LITTLE_ENDIAN);
        s21.intoMemorySegment(sums, sum + 2 * ROW + VECTOR, LITTLE_ENDIAN);
        s30.intoMemorySegment(sums, sum + 3 * ROW, LITTLE_ENDIAN);
        s31.intoMemorySegment(sums, sum + 3 * ROW + VECTOR, LITTLE_ENDIAN);
        s40.intoMemorySegment(sums, sum + 4 * ROW, LITTLE_ENDIAN);
        s41.intoMemorySegment(sums, sum + 4 * ROW + VECTOR, LITTLE_ENDIAN);
        s50.intoMemorySegment(sums, sum + 5 * ROW, LITTLE_ENDIAN);
        s51.intoMemorySegment(sums, sum + 5 * ROW + VECTOR, LITTLE_ENDIAN);
        s60.intoMemorySegment(sums, sum + 6 * ROW, LITTLE_ENDIAN);
        s61.intoMemorySegment(sums, sum + 6 * ROW + VECTOR, LITTLE_ENDIAN);
        s70.intoMemorySegment(sums, sum + 7 * ROW, LITTLE_ENDIAN);
        s71.intoMemorySegment(sums, sum + 7 * ROW + VECTOR, LITTLE_ENDIAN);
    }
}
