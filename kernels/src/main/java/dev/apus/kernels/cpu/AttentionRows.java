package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.SPECIES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

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
        FloatVector a0 = FloatVector.zero(SPECIES);
        FloatVector b0 = FloatVector.zero(SPECIES);
        for (int d = 0; d < dim; d++) {
            FloatVector ka = FloatVector.fromMemorySegment(SPECIES, kv, keysA + d * KEY_STEP, LITTLE_ENDIAN);
            FloatVector kb = FloatVector.fromMemorySegment(SPECIES, kv, keysB + d * KEY_STEP, LITTLE_ENDIAN);
            long at = qAt + d * 4L;
            FloatVector q0 = FloatVector.broadcast(SPECIES, q.get(JAVA_FLOAT, at));
            a0 = q0.fma(ka, a0);
            b0 = q0.fma(kb, b0);
        }
        a0.intoMemorySegment(s, sAt, LITTLE_ENDIAN);
        b0.intoMemorySegment(s, sAt + VECTOR, LITTLE_ENDIAN);
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
        FloatVector a0 = FloatVector.fromMemorySegment(SPECIES, o, oAt, LITTLE_ENDIAN);
        FloatVector b0 = FloatVector.fromMemorySegment(SPECIES, o, oAt + VECTOR, LITTLE_ENDIAN);
        for (int first = 0; first < keys; first += CpuKvCache.BLOCK) {
            long v = blocks[first / CpuKvCache.BLOCK] + column;
            int end = Math.min(keys, first + CpuKvCache.BLOCK);
            for (int k = first; k < end; k++) {
                FloatVector va = FloatVector.fromMemorySegment(SPECIES, kv, v, LITTLE_ENDIAN);
                FloatVector vb = FloatVector.fromMemorySegment(SPECIES, kv, v + VECTOR, LITTLE_ENDIAN);
                long at = pAt + k * 4L;
                FloatVector p0 = FloatVector.broadcast(SPECIES, p.get(JAVA_FLOAT, at));
                a0 = p0.fma(va, a0);
                b0 = p0.fma(vb, b0);
                v += vStep;
            }
        }
        a0.intoMemorySegment(o, oAt, LITTLE_ENDIAN);
        b0.intoMemorySegment(o, oAt + VECTOR, LITTLE_ENDIAN);
    }

    private static void scores2(
            MemorySegment q, long qAt, MemorySegment kv, long keysA, long keysB, int dim, MemorySegment s, long sAt) {
        FloatVector a0 = FloatVector.zero(SPECIES);
        FloatVector b0 = FloatVector.zero(SPECIES);
        FloatVector a1 = FloatVector.zero(SPECIES);
        FloatVector b1 = FloatVector.zero(SPECIES);
        for (int d = 0; d < dim; d++) {
            FloatVector ka = FloatVector.fromMemorySegment(SPECIES, kv, keysA + d * KEY_STEP, LITTLE_ENDIAN);
            FloatVector kb = FloatVector.fromMemorySegment(SPECIES, kv, keysB + d * KEY_STEP, LITTLE_ENDIAN);
            long at = qAt + d * 8L;
            FloatVector q0 = FloatVector.broadcast(SPECIES, q.get(JAVA_FLOAT, at));
            a0 = q0.fma(ka, a0);
            b0 = q0.fma(kb, b0);
            FloatVector q1 = FloatVector.broadcast(SPECIES, q.get(JAVA_FLOAT, at + 4));
            a1 = q1.fma(ka, a1);
            b1 = q1.fma(kb, b1);
        }
        a0.intoMemorySegment(s, sAt, LITTLE_ENDIAN);
        b0.intoMemorySegment(s, sAt + VECTOR, LITTLE_ENDIAN);
        a1.intoMemorySegment(s, sAt + SCORE_ROW, LITTLE_ENDIAN);
        b1.intoMemorySegment(s, sAt + SCORE_ROW + VECTOR, LITTLE_ENDIAN);
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
        FloatVector a0 = FloatVector.fromMemorySegment(SPECIES, o, oAt, LITTLE_ENDIAN);
        FloatVector b0 = FloatVector.fromMemorySegment(SPECIES, o, oAt + VECTOR, LITTLE_ENDIAN);
        FloatVector a1 = FloatVector.fromMemorySegment(SPECIES, o, oAt + vStep, LITTLE_ENDIAN);
        FloatVector b1 = FloatVector.fromMemorySegment(SPECIES, o, oAt + vStep + VECTOR, LITTLE_ENDIAN);
        for (int first = 0; first < keys; first += CpuKvCache.BLOCK) {
            long v = blocks[first / CpuKvCache.BLOCK] + column;
            int end = Math.min(keys, first + CpuKvCache.BLOCK);
            for (int k = first; k < end; k++) {
                FloatVector va = FloatVector.fromMemorySegment(SPECIES, kv, v, LITTLE_ENDIAN);
                FloatVector vb = FloatVector.fromMemorySegment(SPECIES, kv, v + VECTOR, LITTLE_ENDIAN);
                long at = pAt + k * 4L;
                FloatVector p0 = FloatVector.broadcast(SPECIES, p.get(JAVA_FLOAT, at));
                a0 = p0.fma(va, a0);
                b0 = p0.fma(vb, b0);
                FloatVector p1 = FloatVector.broadcast(SPECIES, p.get(JAVA_FLOAT, at + SCORE_ROW));
                a1 = p1.fma(va, a1);
                b1 = p1.fma(vb, b1);
                v += vStep;
            }
        }
        a0.intoMemorySegment(o, oAt, LITTLE_ENDIAN);
        b0.intoMemorySegment(o, oAt + VECTOR, LITTLE_ENDIAN);
        a1.intoMemorySegment(o, oAt + vStep, LITTLE_ENDIAN);
        b1.intoMemorySegment(o, oAt + vStep + VECTOR, LITTLE_ENDIAN);
    }

    private static void scores3(
            MemorySegment q, long qAt, MemorySegment kv, long keysA, long keysB, int dim, MemorySegment s, long sAt) {
        FloatVector a0 = FloatVector.zero(SPECIES);
        FloatVector b0 = FloatVector.zero(SPECIES);
        FloatVector a1 = FloatVector.zero(SPECIES);
        FloatVector b1 = FloatVector.zero(SPECIES);
        FloatVector a2 = FloatVector.zero(SPECIES);
        FloatVector b2 = FloatVector.zero(SPECIES);
        for (int d = 0; d < dim; d++) {
            FloatVector ka = FloatVector.fromMemorySegment(SPECIES, kv, keysA + d * KEY_STEP, LITTLE_ENDIAN);
            FloatVector kb = FloatVector.fromMemorySegment(SPECIES, kv, keysB + d * KEY_STEP, LITTLE_ENDIAN);
            long at = qAt + d * 12L;
            FloatVector q0 = FloatVector.broadcast(SPECIES, q.get(JAVA_FLOAT, at));
            a0 = q0.fma(ka, a0);
            b0 = q0.fma(kb, b0);
            FloatVector q1 = FloatVector.broadcast(SPECIES, q.get(JAVA_FLOAT, at + 4));
            a1 = q1.fma(ka, a1);
            b1 = q1.fma(kb, b1);
            FloatVector q2 = FloatVector.broadcast(SPECIES, q.get(JAVA_FLOAT, at + 8));
            a2 = q2.fma(ka, a2);
            b2 = q2.fma(kb, b2);
        }
        a0.intoMemorySegment(s, sAt, LITTLE_ENDIAN);
        b0.intoMemorySegment(s, sAt + VECTOR, LITTLE_ENDIAN);
        a1.intoMemorySegment(s, sAt + SCORE_ROW, LITTLE_ENDIAN);
        b1.intoMemorySegment(s, sAt + SCORE_ROW + VECTOR, LITTLE_ENDIAN);
        a2.intoMemorySegment(s, sAt + 2 * SCORE_ROW, LITTLE_ENDIAN);
        b2.intoMemorySegment(s, sAt + 2 * SCORE_ROW + VECTOR, LITTLE_ENDIAN);
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
        FloatVector a0 = FloatVector.fromMemorySegment(SPECIES, o, oAt, LITTLE_ENDIAN);
        FloatVector b0 = FloatVector.fromMemorySegment(SPECIES, o, oAt + VECTOR, LITTLE_ENDIAN);
        FloatVector a1 = FloatVector.fromMemorySegment(SPECIES, o, oAt + vStep, LITTLE_ENDIAN);
        FloatVector b1 = FloatVector.fromMemorySegment(SPECIES, o, oAt + vStep + VECTOR, LITTLE_ENDIAN);
        FloatVector a2 = FloatVector.fromMemorySegment(SPECIES, o, oAt + 2 * vStep, LITTLE_ENDIAN);
        FloatVector b2 = FloatVector.fromMemorySegment(SPECIES, o, oAt + 2 * vStep + VECTOR, LITTLE_ENDIAN);
        for (int first = 0; first < keys; first += CpuKvCache.BLOCK) {
            long v = blocks[first / CpuKvCache.BLOCK] + column;
            int end = Math.min(keys, first + CpuKvCache.BLOCK);
            for (int k = first; k < end; k++) {
                FloatVector va = FloatVector.fromMemorySegment(SPECIES, kv, v, LITTLE_ENDIAN);
                FloatVector vb = FloatVector.fromMemorySegment(SPECIES, kv, v + VECTOR, LITTLE_ENDIAN);
                long at = pAt + k * 4L;
                FloatVector p0 = FloatVector.broadcast(SPECIES, p.get(JAVA_FLOAT, at));
                a0 = p0.fma(va, a0);
                b0 = p0.fma(vb, b0);
                FloatVector p1 = FloatVector.broadcast(SPECIES, p.get(JAVA_FLOAT, at + SCORE_ROW));
                a1 = p1.fma(va, a1);
                b1 = p1.fma(vb, b1);
                FloatVector p2 = FloatVector.broadcast(SPECIES, p.get(JAVA_FLOAT, at + 2 * SCORE_ROW));
                a2 = p2.fma(va, a2);
                b2 = p2.fma(vb, b2);
                v += vStep;
            }
        }
        a0.intoMemorySegment(o, oAt, LITTLE_ENDIAN);
        b0.intoMemorySegment(o, oAt + VECTOR, LITTLE_ENDIAN);
        a1.intoMemorySegment(o, oAt + vStep, LITTLE_ENDIAN);
        b1.intoMemorySegment(o, oAt + vStep + VECTOR, LITTLE_ENDIAN);
        a2.intoMemorySegment(o, oAt + 2 * vStep, LITTLE_ENDIAN);
        b2.intoMemorySegment(o, oAt + 2 * vStep + VECTOR, LITTLE_ENDIAN);
    }

    private static void scores4(
            MemorySegment q, long qAt, MemorySegment kv, long keysA, long keysB, int dim, MemorySegment s, long sAt) {
        FloatVector a0 = FloatVector.zero(SPECIES);
        FloatVector b0 = FloatVector.zero(SPECIES);
        FloatVector a1 = FloatVector.zero(SPECIES);
        FloatVector b1 = FloatVector.zero(SPECIES);
        FloatVector a2 = FloatVector.zero(SPECIES);
        FloatVector b2 = FloatVector.zero(SPECIES);
        FloatVector a3 = FloatVector.zero(SPECIES);
        FloatVector b3 = FloatVector.zero(SPECIES);
        for (int d = 0; d < dim; d++) {
            FloatVector ka = FloatVector.fromMemorySegment(SPECIES, kv, keysA + d * KEY_STEP, LITTLE_ENDIAN);
            FloatVector kb = FloatVector.fromMemorySegment(SPECIES, kv, keysB + d * KEY_STEP, LITTLE_ENDIAN);
            long at = qAt + d * 16L;
            FloatVector q0 = FloatVector.broadcast(SPECIES, q.get(JAVA_FLOAT, at));
            a0 = q0.fma(ka, a0);
            b0 = q0.fma(kb, b0);
            FloatVector q1 = FloatVector.broadcast(SPECIES, q.get(JAVA_FLOAT, at + 4));
            a1 = q1.fma(ka, a1);
            b1 = q1.fma(kb, b1);
            FloatVector q2 = FloatVector.broadcast(SPECIES, q.get(JAVA_FLOAT, at + 8));
            a2 = q2.fma(ka, a2);
            b2 = q2.fma(kb, b2);
            FloatVector q3 = FloatVector.broadcast(SPECIES, q.get(JAVA_FLOAT, at + 12));
            a3 = q3.fma(ka, a3);
            b3 = q3.fma(kb, b3);
        }
        a0.intoMemorySegment(s, sAt, LITTLE_ENDIAN);
        b0.intoMemorySegment(s, sAt + VECTOR, LITTLE_ENDIAN);
        a1.intoMemorySegment(s, sAt + SCORE_ROW, LITTLE_ENDIAN);
        b1.intoMemorySegment(s, sAt + SCORE_ROW + VECTOR, LITTLE_ENDIAN);
        a2.intoMemorySegment(s, sAt + 2 * SCORE_ROW, LITTLE_ENDIAN);
        b2.intoMemorySegment(s, sAt + 2 * SCORE_ROW + VECTOR, LITTLE_ENDIAN);
        a3.intoMemorySegment(s, sAt + 3 * SCORE_ROW, LITTLE_ENDIAN);
        b3.intoMemorySegment(s, sAt + 3 * SCORE_ROW + VECTOR, LITTLE_ENDIAN);
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
        FloatVector a0 = FloatVector.fromMemorySegment(SPECIES, o, oAt, LITTLE_ENDIAN);
        FloatVector b0 = FloatVector.fromMemorySegment(SPECIES, o, oAt + VECTOR, LITTLE_ENDIAN);
        FloatVector a1 = FloatVector.fromMemorySegment(SPECIES, o, oAt + vStep, LITTLE_ENDIAN);
        FloatVector b1 = FloatVector.fromMemorySegment(SPECIES, o, oAt + vStep + VECTOR, LITTLE_ENDIAN);
        FloatVector a2 = FloatVector.fromMemorySegment(SPECIES, o, oAt + 2 * vStep, LITTLE_ENDIAN);
        FloatVector b2 = FloatVector.fromMemorySegment(SPECIES, o, oAt + 2 * vStep + VECTOR, LITTLE_ENDIAN);
        FloatVector a3 = FloatVector.fromMemorySegment(SPECIES, o, oAt + 3 * vStep, LITTLE_ENDIAN);
        FloatVector b3 = FloatVector.fromMemorySegment(SPECIES, o, oAt + 3 * vStep + VECTOR, LITTLE_ENDIAN);
        for (int first = 0; first < keys; first += CpuKvCache.BLOCK) {
            long v = blocks[first / CpuKvCache.BLOCK] + column;
            int end = Math.min(keys, first + CpuKvCache.BLOCK);
            for (int k = first; k < end; k++) {
                FloatVector va = FloatVector.fromMemorySegment(SPECIES, kv, v, LITTLE_ENDIAN);
                FloatVector vb = FloatVector.fromMemorySegment(SPECIES, kv, v + VECTOR, LITTLE_ENDIAN);
                long at = pAt + k * 4L;
                FloatVector p0 = FloatVector.broadcast(SPECIES, p.get(JAVA_FLOAT, at));
                a0 = p0.fma(va, a0);
                b0 = p0.fma(vb, b0);
                FloatVector p1 = FloatVector.broadcast(SPECIES, p.get(JAVA_FLOAT, at + SCORE_ROW));
                a1 = p1.fma(va, a1);
                b1 = p1.fma(vb, b1);
                FloatVector p2 = FloatVector.broadcast(SPECIES, p.get(JAVA_FLOAT, at + 2 * SCORE_ROW));
                a2 = p2.fma(va, a2);
                b2 = p2.fma(vb, b2);
                FloatVector p3 = FloatVector.broadcast(SPECIES, p.get(JAVA_FLOAT, at + 3 * SCORE_ROW));
                a3 = p3.fma(va, a3);
                b3 = p3.fma(vb, b3);
                v += vStep;
            }
        }
        a0.intoMemorySegment(o, oAt, LITTLE_ENDIAN);
        b0.intoMemorySegment(o, oAt + VECTOR, LITTLE_ENDIAN);
        a1.intoMemorySegment(o, oAt + vStep, LITTLE_ENDIAN);
        b1.intoMemorySegment(o, oAt + vStep + VECTOR, LITTLE_ENDIAN);
        a2.intoMemorySegment(o, oAt + 2 * vStep, LITTLE_ENDIAN);
        b2.intoMemorySegment(o, oAt + 2 * vStep + VECTOR, LITTLE_ENDIAN);
        a3.intoMemorySegment(o, oAt + 3 * vStep, LITTLE_ENDIAN);
        b3.intoMemorySegment(o, oAt + 3 * vStep + VECTOR, LITTLE_ENDIAN);
    }
}
