package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.load;
import static dev.apus.kernels.cpu.VectorMath.splat;
import static dev.apus.kernels.cpu.VectorMath.store;
import static dev.apus.kernels.cpu.VectorMath.zero;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * The inner loops of attention: 1 to 4 query rows against two vectors of keys or of value columns.
 *
 * <p>Eight accumulators fill the FMA pipes; with twelve C2 spills and loses a fifth to a half. The methods differ in nothing but the number of rows, written out because accumulators must be local variables: a score is always
 * summed over headDim in order and an output over keys in order, so its bits do not depend on which method computed it.
 */
final class AttentionRows {
    /** Bytes between the score rows of a tile: {@value AttentionTile#GRANULE} floats. */
    static final long SCORE_ROW = 4L * AttentionTile.GRANULE;

    /** Bytes of a vector. */
    private static final long VECTOR = 4L * VectorMath.LANES;

    /** Bytes between the keys' elements d and d + 1. */
    private static final long KEY_STEP = 4L * CpuKvCache.BLOCK;

    private AttentionRows() {}

    /**
     * Scores of {@code count} rows, 1 to 4.
     *
     * @param q queries {@code [dim][count]} from byte {@code qAt} on
     * @param kv holds a vector of keys per d from {@code keysA} and one from {@code keysB} on
     * @param s receives two vectors per row from {@code sAt} on
     */
    static void scores(
            int count,
            MemorySegment q,
            long qAt,
            MemorySegment kv,
            long keysA,
            long keysB,
            int dim,
            MemorySegment s,
            long sAt) {
        switch (count) {
            case 1 -> scores1(q, qAt, kv, keysA, keysB, dim, s, sAt);
            case 2 -> scores2(q, qAt, kv, keysA, keysB, dim, s, sAt);
            case 3 -> scores3(q, qAt, kv, keysA, keysB, dim, s, sAt);
            default -> scores4(q, qAt, kv, keysA, keysB, dim, s, sAt);
        }
    }

    /**
     * Adds weighted values to two vectors of {@code count} output rows, 1 to 4.
     *
     * @param p weights, a row every {@link #SCORE_ROW} bytes from {@code pAt} on
     * @param kv values, a key every {@code vStep} bytes
     * @param blocks byte offset of each block of 16 keys
     * @param column byte offset of the two vectors in a key's values
     * @param o output rows {@code vStep} bytes apart from {@code oAt} on
     */
    static void values(
            int count,
            MemorySegment p,
            long pAt,
            MemorySegment kv,
            long[] blocks,
            long column,
            long vStep,
            int keys,
            MemorySegment o,
            long oAt) {
        switch (count) {
            case 1 -> values1(p, pAt, kv, blocks, column, vStep, keys, o, oAt);
            case 2 -> values2(p, pAt, kv, blocks, column, vStep, keys, o, oAt);
            case 3 -> values3(p, pAt, kv, blocks, column, vStep, keys, o, oAt);
            default -> values4(p, pAt, kv, blocks, column, vStep, keys, o, oAt);
        }
    }

    private static void scores1(
            MemorySegment q, long qAt, MemorySegment kv, long keysA, long keysB, int dim, MemorySegment s, long sAt) {
        FloatVector a0 = zero();
        FloatVector b0 = zero();
        for (int d = 0; d < dim; d++) {
            FloatVector ka = load(kv, keysA + d * KEY_STEP);
            FloatVector kb = load(kv, keysB + d * KEY_STEP);
            long at = qAt + d * 4L;
            FloatVector q0 = splat(q, at);
            a0 = q0.fma(ka, a0);
            b0 = q0.fma(kb, b0);
        }
        store(a0, s, sAt);
        store(b0, s, sAt + VECTOR);
    }

    private static void values1(
            MemorySegment p,
            long pAt,
            MemorySegment kv,
            long[] blocks,
            long column,
            long vStep,
            int keys,
            MemorySegment o,
            long oAt) {
        FloatVector a0 = load(o, oAt);
        FloatVector b0 = load(o, oAt + VECTOR);
        for (int first = 0; first < keys; first += CpuKvCache.BLOCK) {
            long v = blocks[first / CpuKvCache.BLOCK] + column;
            int end = Math.min(keys, first + CpuKvCache.BLOCK);
            for (int k = first; k < end; k++) {
                FloatVector va = load(kv, v);
                FloatVector vb = load(kv, v + VECTOR);
                long at = pAt + k * 4L;
                FloatVector p0 = splat(p, at);
                a0 = p0.fma(va, a0);
                b0 = p0.fma(vb, b0);
                v += vStep;
            }
        }
        store(a0, o, oAt);
        store(b0, o, oAt + VECTOR);
    }

    private static void scores2(
            MemorySegment q, long qAt, MemorySegment kv, long keysA, long keysB, int dim, MemorySegment s, long sAt) {
        FloatVector a0 = zero();
        FloatVector b0 = zero();
        FloatVector a1 = zero();
        FloatVector b1 = zero();
        for (int d = 0; d < dim; d++) {
            FloatVector ka = load(kv, keysA + d * KEY_STEP);
            FloatVector kb = load(kv, keysB + d * KEY_STEP);
            long at = qAt + d * 8L;
            FloatVector q0 = splat(q, at);
            a0 = q0.fma(ka, a0);
            b0 = q0.fma(kb, b0);
            FloatVector q1 = splat(q, at + 4);
            a1 = q1.fma(ka, a1);
            b1 = q1.fma(kb, b1);
        }
        store(a0, s, sAt);
        store(b0, s, sAt + VECTOR);
        store(a1, s, sAt + SCORE_ROW);
        store(b1, s, sAt + SCORE_ROW + VECTOR);
    }

    private static void values2(
            MemorySegment p,
            long pAt,
            MemorySegment kv,
            long[] blocks,
            long column,
            long vStep,
            int keys,
            MemorySegment o,
            long oAt) {
        FloatVector a0 = load(o, oAt);
        FloatVector b0 = load(o, oAt + VECTOR);
        FloatVector a1 = load(o, oAt + vStep);
        FloatVector b1 = load(o, oAt + vStep + VECTOR);
        for (int first = 0; first < keys; first += CpuKvCache.BLOCK) {
            long v = blocks[first / CpuKvCache.BLOCK] + column;
            int end = Math.min(keys, first + CpuKvCache.BLOCK);
            for (int k = first; k < end; k++) {
                FloatVector va = load(kv, v);
                FloatVector vb = load(kv, v + VECTOR);
                long at = pAt + k * 4L;
                FloatVector p0 = splat(p, at);
                a0 = p0.fma(va, a0);
                b0 = p0.fma(vb, b0);
                FloatVector p1 = splat(p, at + SCORE_ROW);
                a1 = p1.fma(va, a1);
                b1 = p1.fma(vb, b1);
                v += vStep;
            }
        }
        store(a0, o, oAt);
        store(b0, o, oAt + VECTOR);
        store(a1, o, oAt + vStep);
        store(b1, o, oAt + vStep + VECTOR);
    }

    private static void scores3(
            MemorySegment q, long qAt, MemorySegment kv, long keysA, long keysB, int dim, MemorySegment s, long sAt) {
        FloatVector a0 = zero();
        FloatVector b0 = zero();
        FloatVector a1 = zero();
        FloatVector b1 = zero();
        FloatVector a2 = zero();
        FloatVector b2 = zero();
        for (int d = 0; d < dim; d++) {
            FloatVector ka = load(kv, keysA + d * KEY_STEP);
            FloatVector kb = load(kv, keysB + d * KEY_STEP);
            long at = qAt + d * 12L;
            FloatVector q0 = splat(q, at);
            a0 = q0.fma(ka, a0);
            b0 = q0.fma(kb, b0);
            FloatVector q1 = splat(q, at + 4);
            a1 = q1.fma(ka, a1);
            b1 = q1.fma(kb, b1);
            FloatVector q2 = splat(q, at + 8);
            a2 = q2.fma(ka, a2);
            b2 = q2.fma(kb, b2);
        }
        store(a0, s, sAt);
        store(b0, s, sAt + VECTOR);
        store(a1, s, sAt + SCORE_ROW);
        store(b1, s, sAt + SCORE_ROW + VECTOR);
        store(a2, s, sAt + 2 * SCORE_ROW);
        store(b2, s, sAt + 2 * SCORE_ROW + VECTOR);
    }

    private static void values3(
            MemorySegment p,
            long pAt,
            MemorySegment kv,
            long[] blocks,
            long column,
            long vStep,
            int keys,
            MemorySegment o,
            long oAt) {
        FloatVector a0 = load(o, oAt);
        FloatVector b0 = load(o, oAt + VECTOR);
        FloatVector a1 = load(o, oAt + vStep);
        FloatVector b1 = load(o, oAt + vStep + VECTOR);
        FloatVector a2 = load(o, oAt + 2 * vStep);
        FloatVector b2 = load(o, oAt + 2 * vStep + VECTOR);
        for (int first = 0; first < keys; first += CpuKvCache.BLOCK) {
            long v = blocks[first / CpuKvCache.BLOCK] + column;
            int end = Math.min(keys, first + CpuKvCache.BLOCK);
            for (int k = first; k < end; k++) {
                FloatVector va = load(kv, v);
                FloatVector vb = load(kv, v + VECTOR);
                long at = pAt + k * 4L;
                FloatVector p0 = splat(p, at);
                a0 = p0.fma(va, a0);
                b0 = p0.fma(vb, b0);
                FloatVector p1 = splat(p, at + SCORE_ROW);
                a1 = p1.fma(va, a1);
                b1 = p1.fma(vb, b1);
                FloatVector p2 = splat(p, at + 2 * SCORE_ROW);
                a2 = p2.fma(va, a2);
                b2 = p2.fma(vb, b2);
                v += vStep;
            }
        }
        store(a0, o, oAt);
        store(b0, o, oAt + VECTOR);
        store(a1, o, oAt + vStep);
        store(b1, o, oAt + vStep + VECTOR);
        store(a2, o, oAt + 2 * vStep);
        store(b2, o, oAt + 2 * vStep + VECTOR);
    }

    private static void scores4(
            MemorySegment q, long qAt, MemorySegment kv, long keysA, long keysB, int dim, MemorySegment s, long sAt) {
        FloatVector a0 = zero();
        FloatVector b0 = zero();
        FloatVector a1 = zero();
        FloatVector b1 = zero();
        FloatVector a2 = zero();
        FloatVector b2 = zero();
        FloatVector a3 = zero();
        FloatVector b3 = zero();
        for (int d = 0; d < dim; d++) {
            FloatVector ka = load(kv, keysA + d * KEY_STEP);
            FloatVector kb = load(kv, keysB + d * KEY_STEP);
            long at = qAt + d * 16L;
            FloatVector q0 = splat(q, at);
            a0 = q0.fma(ka, a0);
            b0 = q0.fma(kb, b0);
            FloatVector q1 = splat(q, at + 4);
            a1 = q1.fma(ka, a1);
            b1 = q1.fma(kb, b1);
            FloatVector q2 = splat(q, at + 8);
            a2 = q2.fma(ka, a2);
            b2 = q2.fma(kb, b2);
            FloatVector q3 = splat(q, at + 12);
            a3 = q3.fma(ka, a3);
            b3 = q3.fma(kb, b3);
        }
        store(a0, s, sAt);
        store(b0, s, sAt + VECTOR);
        store(a1, s, sAt + SCORE_ROW);
        store(b1, s, sAt + SCORE_ROW + VECTOR);
        store(a2, s, sAt + 2 * SCORE_ROW);
        store(b2, s, sAt + 2 * SCORE_ROW + VECTOR);
        store(a3, s, sAt + 3 * SCORE_ROW);
        store(b3, s, sAt + 3 * SCORE_ROW + VECTOR);
    }

    private static void values4(
            MemorySegment p,
            long pAt,
            MemorySegment kv,
            long[] blocks,
            long column,
            long vStep,
            int keys,
            MemorySegment o,
            long oAt) {
        FloatVector a0 = load(o, oAt);
        FloatVector b0 = load(o, oAt + VECTOR);
        FloatVector a1 = load(o, oAt + vStep);
        FloatVector b1 = load(o, oAt + vStep + VECTOR);
        FloatVector a2 = load(o, oAt + 2 * vStep);
        FloatVector b2 = load(o, oAt + 2 * vStep + VECTOR);
        FloatVector a3 = load(o, oAt + 3 * vStep);
        FloatVector b3 = load(o, oAt + 3 * vStep + VECTOR);
        for (int first = 0; first < keys; first += CpuKvCache.BLOCK) {
            long v = blocks[first / CpuKvCache.BLOCK] + column;
            int end = Math.min(keys, first + CpuKvCache.BLOCK);
            for (int k = first; k < end; k++) {
                FloatVector va = load(kv, v);
                FloatVector vb = load(kv, v + VECTOR);
                long at = pAt + k * 4L;
                FloatVector p0 = splat(p, at);
                a0 = p0.fma(va, a0);
                b0 = p0.fma(vb, b0);
                FloatVector p1 = splat(p, at + SCORE_ROW);
                a1 = p1.fma(va, a1);
                b1 = p1.fma(vb, b1);
                FloatVector p2 = splat(p, at + 2 * SCORE_ROW);
                a2 = p2.fma(va, a2);
                b2 = p2.fma(vb, b2);
                FloatVector p3 = splat(p, at + 3 * SCORE_ROW);
                a3 = p3.fma(va, a3);
                b3 = p3.fma(vb, b3);
                v += vStep;
            }
        }
        store(a0, o, oAt);
        store(b0, o, oAt + VECTOR);
        store(a1, o, oAt + vStep);
        store(b1, o, oAt + vStep + VECTOR);
        store(a2, o, oAt + 2 * vStep);
        store(b2, o, oAt + 2 * vStep + VECTOR);
        store(a3, o, oAt + 3 * vStep);
        store(b3, o, oAt + 3 * vStep + VECTOR);
    }
}
