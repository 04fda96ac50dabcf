package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.exp;
import static dev.apus.kernels.cpu.VectorMath.load;
import static dev.apus.kernels.cpu.VectorMath.store;
import static dev.apus.kernels.cpu.VectorMath.zero;

import dev.apus.kernels.AttentionShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * One thread's attention over a tile: a few consecutive positions of a sequence times the query heads of one kv head, so that every key
 * and value that is loaded serves all rows of the tile.
 *
 * <p>Keys go by in granules of {@value #GRANULE} aligned to absolute positions, with the running maximum and sum of online softmax
 * (Milakov and Gimelshein 2018; FlashAttention's forward pass). A row's bits depend on its own query and keys only: a granule in which a
 * row sees no key leaves its state untouched (weight 0, correction 1), so neither the tile's other rows nor the chunk matter.
 */
final class AttentionTile {
    /** Keys between two updates of the running maximum. */
    static final int GRANULE = 64;

    /** Rows of a tile where the group of heads allows: its queries, scores and outputs stay in the L1 and L2 caches. */
    static final int ROWS = 48;

    /** Below every score, finite so that the difference of two is 0 and not NaN. */
    private static final float NO_SCORE = -1e30f;

    private static final int GRANULE_BLOCKS = GRANULE / CpuKvCache.BLOCK;
    private static final long VECTOR = 4L * LANES;
    private static final long SCORE_ROW = AttentionRows.SCORE_ROW;

    private final Arena arena;
    private final long[] keyBlocks = new long[GRANULE_BLOCKS];
    private final long[] valueBlocks = new long[GRANULE_BLOCKS];
    private MemorySegment queries = MemorySegment.NULL;
    private MemorySegment scores = MemorySegment.NULL;
    private MemorySegment sums = MemorySegment.NULL;
    /** Factors on what the rows have summed before a granule. */
    private MemorySegment corrections = MemorySegment.NULL;

    private MemorySegment outputs = MemorySegment.NULL;
    private float[] max = new float[0];
    private int capacityDim;

    private MemorySegment kv = MemorySegment.NULL;
    private int rows;
    private int dim;
    private long outputStep;

    AttentionTile(Arena arena) {
        this.arena = arena;
    }

    /** Positions of a tile for a group of query heads. */
    static int tokensOf(int group) {
        return Math.max(1, ROWS / group);
    }

    private void reserve(int wantedRows, int wantedDim, int valueStride) {
        if (max.length >= wantedRows && capacityDim >= wantedDim) {
            return;
        }
        int newRows = Math.max(Math.max(wantedRows, ROWS), max.length);
        capacityDim = Math.max(capacityDim, wantedDim);
        max = new float[newRows];
        queries = NativeMemory.allocate(arena, 4L * newRows * capacityDim);
        scores = NativeMemory.allocate(arena, newRows * SCORE_ROW);
        sums = NativeMemory.allocate(arena, newRows * VECTOR);
        corrections = NativeMemory.allocate(arena, 4L * (newRows + LANES));
        outputs = NativeMemory.allocate(arena, 4L * newRows * Math.max(valueStride, capacityDim + GRANULE));
    }

    /** Rows of the next inner loop when {@code left} are to do. */
    private static int step(int left) {
        return Math.min(left, 4);
    }

    /**
     * Computes the outputs of {@code tokens} positions from {@code position} on for the query heads of {@code kvHead}.
     *
     * @param firstToken row of {@code qkv} and {@code out} of the first position
     * @param length keys of the sequence; all are seen where the shape is bidirectional
     * @param blockIds block table of the sequence from index {@code firstBlock} on
     */
    void run(
            MemorySegment out,
            MemorySegment qkv,
            AttentionShape shape,
            CpuKvCache cache,
            int layer,
            int kvHead,
            int firstToken,
            int tokens,
            int position,
            int length,
            int[] blockIds,
            int firstBlock) {
        int group = shape.heads() / shape.kvHeads();
        rows = tokens * group;
        dim = shape.headDim();
        kv = cache.data();
        outputStep = 4L * cache.valueStride();
        reserve(rows, dim, cache.valueStride());
        begin(qkv, shape, kvHead * group, firstToken, group);
        int end = shape.bidirectional() ? length : position + tokens;
        int window = shape.slidingWindow();
        int start = window == 0 ? 0 : Math.max(0, position - window + 1) / GRANULE * GRANULE;
        for (int key = start; key < end; key += GRANULE) {
            int keys = Math.min(GRANULE, end - key);
            int blocks = (keys + CpuKvCache.BLOCK - 1) / CpuKvCache.BLOCK;
            for (int b = 0; b < GRANULE_BLOCKS; b++) {
                // Missing blocks stand in for the last one; their scores are masked.
                int id = blockIds[firstBlock + key / CpuKvCache.BLOCK + Math.min(b, blocks - 1)];
                keyBlocks[b] = cache.keys(layer, id, kvHead);
                valueBlocks[b] = cache.values(layer, id, kvHead);
            }
            score(keys);
            weigh(key, keys, position, group, shape, end);
            accumulate(keys);
        }
        finish(out, shape, kvHead * group, firstToken, group);
    }

    /** Packs the scaled queries as {@code [dim][rows of one inner loop]} and clears the state. */
    private void begin(MemorySegment qkv, AttentionShape shape, int firstHead, int firstToken, int group) {
        long width = (shape.heads() + 2L * shape.kvHeads()) * dim;
        for (int first = 0; first < rows; ) {
            int count = step(rows - first);
            for (int r = 0; r < count; r++) {
                int row = first + r;
                long source = 4 * ((firstToken + row / group) * width + (long) (firstHead + row % group) * dim);
                long target = 4L * (first * dim + r);
                pack(qkv, source, target, 4L * count, shape.scale());
            }
            first += count;
        }
        for (int r = 0; r < rows; r++) {
            max[r] = NO_SCORE;
            store(zero(), sums, r * VECTOR);
        }
        outputs.asSlice(0, rows * outputStep).fill((byte) 0);
    }

    private void pack(MemorySegment qkv, long source, long target, long step, float scale) {
        for (int d = 0; d < dim; d++) {
            queries.set(
                    ValueLayout.JAVA_FLOAT,
                    target + d * step,
                    qkv.get(ValueLayout.JAVA_FLOAT, source + 4L * d) * scale);
        }
    }

    private void score(int keys) {
        for (int key = 0; key < keys; key += 2 * LANES) {
            long keysA = keyVector(key);
            long keysB = keyVector(key + LANES);
            for (int first = 0; first < rows; ) {
                int count = step(rows - first);
                AttentionRows.scores(
                        count, queries, 4L * first * dim, kv, keysA, keysB, dim, scores, first * SCORE_ROW + 4L * key);
                first += count;
            }
        }
    }

    /** Byte offset of element 0 of the vector of keys from {@code key} on. */
    private long keyVector(int key) {
        return keyBlocks[key / CpuKvCache.BLOCK] + 4L * (key % CpuKvCache.BLOCK);
    }

    /** Turns scores into weights: soft cap, mask, exponential, and the correction of what the rows have summed so far. */
    private void weigh(int key, int keys, int position, int group, AttentionShape shape, int end) {
        int window = shape.slidingWindow();
        float softCap = shape.softCap();
        int vectors = (keys + LANES - 1) / LANES;
        for (int r = 0; r < rows; r++) {
            long at = r * SCORE_ROW;
            if (softCap != 0) {
                capRow(at, vectors, softCap);
            }
            int last = shape.bidirectional() ? end - 1 : position + r / group;
            int from = window == 0 ? 0 : Math.max(0, last - window + 1 - key);
            int to = Math.max(0, last + 1 - key);
            maskRow(at, Math.min(from, vectors * LANES), Math.min(to, vectors * LANES), vectors * LANES);
            float before = max[r];
            max[r] = Math.max(before, largest(at, vectors));
            corrections.setAtIndex(ValueLayout.JAVA_FLOAT, r, before - max[r]);
        }
        for (int r = 0; r < rows; r += LANES) {
            store(exp(load(corrections, 4L * r)), corrections, 4L * r);
        }
        for (int r = 0; r < rows; r++) {
            float correction = corrections.getAtIndex(ValueLayout.JAVA_FLOAT, r);
            weighRow(r, correction, vectors);
            if (correction != 1) {
                scaleRow(r * outputStep, correction);
            }
        }
    }

    private void capRow(long at, int vectors, float softCap) {
        for (int v = 0; v < vectors; v++) {
            FloatVector s = load(scores, at + v * VECTOR);
            store(VectorMath.tanh(s.div(softCap)).mul(softCap), scores, at + v * VECTOR);
        }
    }

    private void maskRow(long at, int from, int to, int end) {
        for (int k = 0; k < from; k++) {
            scores.set(ValueLayout.JAVA_FLOAT, at + 4L * k, Float.NEGATIVE_INFINITY);
        }
        for (int k = to; k < end; k++) {
            scores.set(ValueLayout.JAVA_FLOAT, at + 4L * k, Float.NEGATIVE_INFINITY);
        }
    }

    private float largest(long at, int vectors) {
        FloatVector largest = load(scores, at);
        for (int v = 1; v < vectors; v++) {
            largest = largest.max(load(scores, at + v * VECTOR));
        }
        return largest.reduceLanes(VectorOperators.MAX);
    }

    /** Replaces a row's scores by their exponentials over the new maximum and adds them to its corrected sums. */
    private void weighRow(int r, float correction, int vectors) {
        long at = r * SCORE_ROW;
        float now = max[r];
        FloatVector sum = load(sums, r * VECTOR).mul(correction);
        for (int v = 0; v < vectors; v++) {
            FloatVector weight = exp(load(scores, at + v * VECTOR).sub(now));
            store(weight, scores, at + v * VECTOR);
            sum = sum.add(weight);
        }
        store(sum, sums, r * VECTOR);
    }

    private void scaleRow(long at, float factor) {
        for (long i = 0; i < outputStep; i += VECTOR) {
            store(load(outputs, at + i).mul(factor), outputs, at + i);
        }
    }

    private void accumulate(int keys) {
        for (long column = 0; column < outputStep; column += 2 * VECTOR) {
            for (int first = 0; first < rows; ) {
                int count = step(rows - first);
                AttentionRows.values(
                        count,
                        scores,
                        first * SCORE_ROW,
                        kv,
                        valueBlocks,
                        column,
                        outputStep,
                        keys,
                        outputs,
                        first * outputStep + column);
                first += count;
            }
        }
    }

    private void finish(MemorySegment out, AttentionShape shape, int firstHead, int firstToken, int group) {
        for (int r = 0; r < rows; r++) {
            float factor = 1 / VectorMath.sum(load(sums, r * VECTOR));
            scaleRow(r * outputStep, factor);
            long target = 4 * ((long) (firstToken + r / group) * shape.heads() + firstHead + r % group) * dim;
            MemorySegment.copy(outputs, r * outputStep, out, target, 4L * dim);
        }
    }
}
