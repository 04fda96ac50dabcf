package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.load;
import static dev.apus.kernels.cpu.VectorMath.splat;
import static dev.apus.kernels.cpu.VectorMath.store;

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
        FloatVector s00 = load(sums, sum);
        FloatVector s01 = load(sums, sum + VECTOR);
        FloatVector s10 = load(sums, sum + ROW);
        FloatVector s11 = load(sums, sum + ROW + VECTOR);
        FloatVector s20 = load(sums, sum + 2 * ROW);
        FloatVector s21 = load(sums, sum + 2 * ROW + VECTOR);
        FloatVector s30 = load(sums, sum + 3 * ROW);
        FloatVector s31 = load(sums, sum + 3 * ROW + VECTOR);
        for (int k = 0; k < count; k++) {
            FloatVector w0 = load(weights, at + k * ROW);
            FloatVector w1 = load(weights, at + k * ROW + VECTOR);
            FloatVector xk = splat(x, x0 + 4L * k);
            s00 = xk.fma(w0, s00);
            s01 = xk.fma(w1, s01);
            xk = splat(x, x1 + 4L * k);
            s10 = xk.fma(w0, s10);
            s11 = xk.fma(w1, s11);
            xk = splat(x, x2 + 4L * k);
            s20 = xk.fma(w0, s20);
            s21 = xk.fma(w1, s21);
            xk = splat(x, x3 + 4L * k);
            s30 = xk.fma(w0, s30);
            s31 = xk.fma(w1, s31);
        }
        store(s00, sums, sum);
        store(s01, sums, sum + VECTOR);
        store(s10, sums, sum + ROW);
        store(s11, sums, sum + ROW + VECTOR);
        store(s20, sums, sum + 2 * ROW);
        store(s21, sums, sum + 2 * ROW + VECTOR);
        store(s30, sums, sum + 3 * ROW);
        store(s31, sums, sum + 3 * ROW + VECTOR);
    }

    /** Eight rows of inputs, {@code stride} bytes apart, times a panel of one strip. */
    static void eight(
            MemorySegment weights, int count, MemorySegment x, long x0, long stride, MemorySegment sums, long sum) {
        FloatVector s00 = load(sums, sum);
        FloatVector s01 = load(sums, sum + VECTOR);
        FloatVector s10 = load(sums, sum + ROW);
        FloatVector s11 = load(sums, sum + ROW + VECTOR);
        FloatVector s20 = load(sums, sum + 2 * ROW);
        FloatVector s21 = load(sums, sum + 2 * ROW + VECTOR);
        FloatVector s30 = load(sums, sum + 3 * ROW);
        FloatVector s31 = load(sums, sum + 3 * ROW + VECTOR);
        FloatVector s40 = load(sums, sum + 4 * ROW);
        FloatVector s41 = load(sums, sum + 4 * ROW + VECTOR);
        FloatVector s50 = load(sums, sum + 5 * ROW);
        FloatVector s51 = load(sums, sum + 5 * ROW + VECTOR);
        FloatVector s60 = load(sums, sum + 6 * ROW);
        FloatVector s61 = load(sums, sum + 6 * ROW + VECTOR);
        FloatVector s70 = load(sums, sum + 7 * ROW);
        FloatVector s71 = load(sums, sum + 7 * ROW + VECTOR);
        for (int k = 0; k < count; k++) {
            FloatVector w0 = load(weights, k * ROW);
            FloatVector w1 = load(weights, k * ROW + VECTOR);
            FloatVector xk = splat(x, x0 + 4L * k);
            s00 = xk.fma(w0, s00);
            s01 = xk.fma(w1, s01);
            xk = splat(x, x0 + stride + 4L * k);
            s10 = xk.fma(w0, s10);
            s11 = xk.fma(w1, s11);
            xk = splat(x, x0 + 2 * stride + 4L * k);
            s20 = xk.fma(w0, s20);
            s21 = xk.fma(w1, s21);
            xk = splat(x, x0 + 3 * stride + 4L * k);
            s30 = xk.fma(w0, s30);
            s31 = xk.fma(w1, s31);
            xk = splat(x, x0 + 4 * stride + 4L * k);
            s40 = xk.fma(w0, s40);
            s41 = xk.fma(w1, s41);
            xk = splat(x, x0 + 5 * stride + 4L * k);
            s50 = xk.fma(w0, s50);
            s51 = xk.fma(w1, s51);
            xk = splat(x, x0 + 6 * stride + 4L * k);
            s60 = xk.fma(w0, s60);
            s61 = xk.fma(w1, s61);
            xk = splat(x, x0 + 7 * stride + 4L * k);
            s70 = xk.fma(w0, s70);
            s71 = xk.fma(w1, s71);
        }
        store(s00, sums, sum);
        store(s01, sums, sum + VECTOR);
        store(s10, sums, sum + ROW);
        store(s11, sums, sum + ROW + VECTOR);
        store(s20, sums, sum + 2 * ROW);
        store(s21, sums, sum + 2 * ROW + VECTOR);
        store(s30, sums, sum + 3 * ROW);
        store(s31, sums, sum + 3 * ROW + VECTOR);
        store(s40, sums, sum + 4 * ROW);
        store(s41, sums, sum + 4 * ROW + VECTOR);
        store(s50, sums, sum + 5 * ROW);
        store(s51, sums, sum + 5 * ROW + VECTOR);
        store(s60, sums, sum + 6 * ROW);
        store(s61, sums, sum + 6 * ROW + VECTOR);
        store(s70, sums, sum + 7 * ROW);
        store(s71, sums, sum + 7 * ROW + VECTOR);
    }
}
