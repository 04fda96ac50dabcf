package dev.apus.kvcache;

import java.util.Arrays;

/**
 * The hash chain of one sequence: for each full block a 128-bit key over (the chain before it, its tokens), rooted in what else the
 * keys and values depend on (adapter, media, tenant). Made by a {@link BlockHasher}; each block is hashed once. Not thread-safe.
 */
public final class BlockHashes {
    private final BlockHasher hasher;
    private final long rootHi;
    private final long rootLo;
    private long[] hi = new long[16];
    private long[] lo = new long[16];
    private int count;

    BlockHashes(BlockHasher hasher, long rootHi, long rootLo) {
        this.hasher = hasher;
        this.rootHi = rootHi;
        this.rootLo = rootLo;
    }

    /** Hashes the full blocks of {@code tokens[0, length)} that are not hashed yet; tokens hashed before must not have changed. */
    public void extend(int[] tokens, int length) {
        int full = length / hasher.blockSize();
        if (full > hi.length) {
            int capacity = Math.max(full, hi.length * 2);
            hi = Arrays.copyOf(hi, capacity);
            lo = Arrays.copyOf(lo, capacity);
        }
        while (count < full) {
            boolean first = count == 0;
            hasher.hash(first ? rootHi : hi[count - 1], first ? rootLo : lo[count - 1], tokens, count);
            hi[count] = hasher.hi();
            lo[count] = hasher.lo();
            count++;
        }
    }

    /** Blocks hashed. */
    public int count() {
        return count;
    }

    /** Upper half of the key of block {@code i}. */
    public long hi(int i) {
        return hi[i];
    }

    /** Lower half of the key of block {@code i}. */
    public long lo(int i) {
        return lo[i];
    }
}
