package dev.apus.kernels.cpu;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.StepBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Attention of a step: cuts its sequences into tiles of queries per kv head and spreads these over the pool.
 *
 * <p>A sequence's keys are never split between threads, so that sums keep one order.
 */
final class VectorAttention implements CpuPool.Task {
    /** Multiply-adds below which waking another thread costs more than it saves: a few microseconds of one thread. */
    private static final long INLINE_WORK = 100_000;

    private final CpuPool pool;
    private final AttentionTile[] tiles;
    /** (sequence, kv head, first query of the tile) of each tile. */
    private int[] items = new int[3 * 256];

    private int itemCount;
    private int tileTokens;

    private @Nullable AttentionShape shape;
    private @Nullable CpuKvCache cache;
    private @Nullable StepBatch batch;
    private MemorySegment out = MemorySegment.NULL;
    private MemorySegment qkv = MemorySegment.NULL;
    private int layer;

    VectorAttention(CpuPool pool, Arena arena) {
        this.pool = pool;
        tiles = new AttentionTile[pool.threads()];
        for (int i = 0; i < tiles.length; i++) {
            tiles[i] = new AttentionTile(arena);
        }
    }

    void attention(
            MemorySegment out, MemorySegment qkv, AttentionShape shape, CpuKvCache cache, int layer, StepBatch batch) {
        if (batch.tokens() == 0) {
            return;
        }
        this.out = out;
        this.qkv = qkv;
        this.shape = shape;
        this.cache = cache;
        this.layer = layer;
        this.batch = batch;
        plan(shape, batch);
        long work = 0;
        for (int s = 0; s < batch.sequences(); s++) {
            int queries = batch.queryStart[s + 1] - batch.queryStart[s];
            work += (long) queries * batch.kvLength[s] * shape.heads() * shape.headDim() * 2;
        }
        pool.run(this, work < INLINE_WORK || pool.threads() == 1 ? 1 : Math.min(itemCount, CpuPool.MAX_PARTS));
    }

    /** Lists the tiles: those of one kv head in a row, since they share its keys; the last and longest first, for balance. */
    private void plan(AttentionShape shape, StepBatch batch) {
        tileTokens = AttentionTile.tokensOf(shape.heads() / shape.kvHeads());
        itemCount = 0;
        for (int s = 0; s < batch.sequences(); s++) {
            int queries = batch.queryStart[s + 1] - batch.queryStart[s];
            for (int head = 0; head < shape.kvHeads(); head++) {
                for (int first = (queries - 1) / tileTokens * tileTokens; first >= 0; first -= tileTokens) {
                    addItem(s, head, first);
                }
            }
        }
    }

    private void addItem(int sequence, int head, int first) {
        int at = 3 * itemCount++;
        if (at + 3 > items.length) {
            items = Arrays.copyOf(items, 2 * items.length);
        }
        items[at] = sequence;
        items[at + 1] = head;
        items[at + 2] = first;
    }

    @Override
    public void run(int part, int parts, int thread) {
        int end = CpuPool.start(part + 1, parts, itemCount, 1);
        for (int item = CpuPool.start(part, parts, itemCount, 1); item < end; item++) {
            tile(3 * item, tiles[thread]);
        }
    }

    private void tile(int at, AttentionTile tile) {
        AttentionShape geometry = Operands.present(shape);
        StepBatch step = Operands.present(batch);
        int sequence = items[at];
        int firstToken = step.queryStart[sequence] + items[at + 2];
        int tokens = Math.min(tileTokens, step.queryStart[sequence + 1] - firstToken);
        tile.run(
                out,
                qkv,
                geometry,
                Operands.present(cache),
                layer,
                items[at + 1],
                firstToken,
                tokens,
                step.positions[firstToken],
                step.kvLength[sequence],
                step.blockIds,
                step.blockStart[sequence]);
    }
}
