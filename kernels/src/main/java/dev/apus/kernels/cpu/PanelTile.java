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
 *
 * <p>The sums' memory is an array because a load from one compiles to fewer operations than from a segment: with segments alone the
 * tallest tile is too big for C1's third tier ("out of virtual registers"), and without that tier's profile C2 never gets to see it.
 *
 * <p>The tiles are longer than a screen because a sum is a local variable, which alone C2 keeps in a register: loops over arrays of
 * vectors, or a method for a row, would put the sums on the heap.
 */
final class PanelTile {
    /** Rows of the tallest tile: 16 sums, two weights and an input need AVX-512's 32 registers; elsewhere 8 sums suit 16. */
    static final int ROWS = LANES == 16 ? 8 : 4;

    private static final long VECTOR = 4L * LANES;
    private static final long ROW = Panels.ROW;

    private PanelTile() {}

    /** Four rows of inputs at {@code x0} to {@code x3} times a strip at byte {@code at}; sums rows from {@code sum} on. */
    static void four(
            MemorySegment weights,
            long at,
            int count,
            MemorySegment x,
            long x0,
            long x1,
            long x2,
            long x3,
            float[] sums,
            int sum) {
        FloatVector s00 = FloatVector.fromArray(SPECIES, sums, sum);
        FloatVector s01 = FloatVector.fromArray(SPECIES, sums, sum + LANES);
        FloatVector s10 = FloatVector.fromArray(SPECIES, sums, sum + Panels.WIDTH);
        FloatVector s11 = FloatVector.fromArray(SPECIES, sums, sum + Panels.WIDTH + LANES);
        FloatVector s20 = FloatVector.fromArray(SPECIES, sums, sum + 2 * Panels.WIDTH);
        FloatVector s21 = FloatVector.fromArray(SPECIES, sums, sum + 2 * Panels.WIDTH + LANES);
        FloatVector s30 = FloatVector.fromArray(SPECIES, sums, sum + 3 * Panels.WIDTH);
        FloatVector s31 = FloatVector.fromArray(SPECIES, sums, sum + 3 * Panels.WIDTH + LANES);
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
        s00.intoArray(sums, sum);
        s01.intoArray(sums, sum + LANES);
        s10.intoArray(sums, sum + Panels.WIDTH);
        s11.intoArray(sums, sum + Panels.WIDTH + LANES);
        s20.intoArray(sums, sum + 2 * Panels.WIDTH);
        s21.intoArray(sums, sum + 2 * Panels.WIDTH + LANES);
        s30.intoArray(sums, sum + 3 * Panels.WIDTH);
        s31.intoArray(sums, sum + 3 * Panels.WIDTH + LANES);
    }

    /** Eight rows of inputs, {@code stride} bytes apart, times a strip at byte {@code at}. */
    static void eight(
            MemorySegment weights, long at, int count, MemorySegment x, long x0, long stride, float[] sums, int sum) {
        FloatVector s00 = FloatVector.fromArray(SPECIES, sums, sum);
        FloatVector s01 = FloatVector.fromArray(SPECIES, sums, sum + LANES);
        FloatVector s10 = FloatVector.fromArray(SPECIES, sums, sum + Panels.WIDTH);
        FloatVector s11 = FloatVector.fromArray(SPECIES, sums, sum + Panels.WIDTH + LANES);
        FloatVector s20 = FloatVector.fromArray(SPECIES, sums, sum + 2 * Panels.WIDTH);
        FloatVector s21 = FloatVector.fromArray(SPECIES, sums, sum + 2 * Panels.WIDTH + LANES);
        FloatVector s30 = FloatVector.fromArray(SPECIES, sums, sum + 3 * Panels.WIDTH);
        FloatVector s31 = FloatVector.fromArray(SPECIES, sums, sum + 3 * Panels.WIDTH + LANES);
        FloatVector s40 = FloatVector.fromArray(SPECIES, sums, sum + 4 * Panels.WIDTH);
        FloatVector s41 = FloatVector.fromArray(SPECIES, sums, sum + 4 * Panels.WIDTH + LANES);
        FloatVector s50 = FloatVector.fromArray(SPECIES, sums, sum + 5 * Panels.WIDTH);
        FloatVector s51 = FloatVector.fromArray(SPECIES, sums, sum + 5 * Panels.WIDTH + LANES);
        FloatVector s60 = FloatVector.fromArray(SPECIES, sums, sum + 6 * Panels.WIDTH);
        FloatVector s61 = FloatVector.fromArray(SPECIES, sums, sum + 6 * Panels.WIDTH + LANES);
        FloatVector s70 = FloatVector.fromArray(SPECIES, sums, sum + 7 * Panels.WIDTH);
        FloatVector s71 = FloatVector.fromArray(SPECIES, sums, sum + 7 * Panels.WIDTH + LANES);
        for (int k = 0; k < count; k++) {
            FloatVector w0 = FloatVector.fromMemorySegment(SPECIES, weights, at + k * ROW, LITTLE_ENDIAN);
            FloatVector w1 = FloatVector.fromMemorySegment(SPECIES, weights, at + k * ROW + VECTOR, LITTLE_ENDIAN);
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
        s00.intoArray(sums, sum);
        s01.intoArray(sums, sum + LANES);
        s10.intoArray(sums, sum + Panels.WIDTH);
        s11.intoArray(sums, sum + Panels.WIDTH + LANES);
        s20.intoArray(sums, sum + 2 * Panels.WIDTH);
        s21.intoArray(sums, sum + 2 * Panels.WIDTH + LANES);
        s30.intoArray(sums, sum + 3 * Panels.WIDTH);
        s31.intoArray(sums, sum + 3 * Panels.WIDTH + LANES);
        s40.intoArray(sums, sum + 4 * Panels.WIDTH);
        s41.intoArray(sums, sum + 4 * Panels.WIDTH + LANES);
        s50.intoArray(sums, sum + 5 * Panels.WIDTH);
        s51.intoArray(sums, sum + 5 * Panels.WIDTH + LANES);
        s60.intoArray(sums, sum + 6 * Panels.WIDTH);
        s61.intoArray(sums, sum + 6 * Panels.WIDTH + LANES);
        s70.intoArray(sums, sum + 7 * Panels.WIDTH);
        s71.intoArray(sums, sum + 7 * Panels.WIDTH + LANES);
    }
}
