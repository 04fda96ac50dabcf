package dev.apus.kvcache;

import java.util.SplittableRandom;
import java.util.function.LongSupplier;

/**
 * Measures how long cached blocks live, lie idle before they are evicted and wait to be hit again, as vLLM's
 * {@code --kv-cache-metrics}: of a random share of the blocks that are taken into use. A block whose content was never offered to others is
 * not evicted and not told of. Allocates nothing; owned by the block manager's thread.
 */
public final class BlockAges {
    /** Takes what is measured, in nanoseconds. */
    public interface Listener {
        /** A block's content is lost, so long after the block was taken into use, and so long after it was last hit. */
        void evicted(long lifetime, long idle);

        /** A block was hit, so long after it was taken into use or last hit. */
        void reused(long gap);
    }

    private final double share;
    private final LongSupplier clock;
    private final Listener listener;
    private final SplittableRandom random = new SplittableRandom();
    private final boolean[] sampled;
    private final long[] born;
    private final long[] touched;

    /**
     * @param blocks blocks of the cache
     * @param share of the blocks taken into use that are measured, above 0, at most 1
     * @param clock in nanoseconds
     */
    public BlockAges(int blocks, double share, LongSupplier clock, Listener listener) {
        if (!(share > 0 && share <= 1)) {
            throw new IllegalArgumentException("the share of blocks is " + share + ", must be above 0 and at most 1");
        }
        this.share = share;
        this.clock = clock;
        this.listener = listener;
        sampled = new boolean[blocks];
        born = new long[blocks];
        touched = new long[blocks];
    }

    /** A block is taken into use for new content. */
    void taken(int block) {
        sampled[block] = random.nextDouble() < share;
        if (sampled[block]) {
            born[block] = clock.getAsLong();
            touched[block] = born[block];
        }
    }

    /** A block's cached content is used by one more sequence. */
    void hit(int block) {
        if (sampled[block]) {
            long now = clock.getAsLong();
            listener.reused(now - touched[block]);
            touched[block] = now;
        }
    }

    /** A block's cached content is lost. */
    void evicted(int block) {
        if (sampled[block]) {
            long now = clock.getAsLong();
            listener.evicted(now - born[block], now - touched[block]);
            sampled[block] = false;
        }
    }
}
