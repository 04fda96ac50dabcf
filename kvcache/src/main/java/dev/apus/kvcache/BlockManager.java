package dev.apus.kvcache;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Which KV blocks hold which tokens of which sequence: block tables, reference counts, the free list and the prefix cache. The design
 * is vLLM's (docs/design/prefix_caching.md), as a struct of arrays. Pure bookkeeping: a block is an id, its keys and values are
 * elsewhere.
 *
 * <p>A sequence is a row number that the caller chooses; rows are made on first use. Its life: {@link #start} takes over the blocks of
 * the longest cached prefix; {@link #grow} before each step makes room for the step's tokens; {@link #commit} after the step offers the
 * blocks that are now full to others; {@link #free} gives all back (at the end or for preemption). A block that nobody references keeps
 * its content until it is needed: least recently used first, and of one sequence the tail first, since a tail is useless without its
 * head. Blocks without cached content are reused before all others.
 *
 * <p>Allocates nothing once its rows have reached their sizes. Not thread-safe: one engine thread owns it.
 */
public final class BlockManager {
    private final int blocks;
    private final int blockSize;
    private final boolean prefixCaching;
    private final int[] references;
    private final FreeList free;
    private final BlockIndex index;
    private final @Nullable BlockAges ages;
    private int[][] tables = new int[0][];
    private int[] counts = new int[0];
    /** Blocks of each row that were hit or offered to the prefix cache. */
    private int[] committed = new int[0];

    /**
     * @param blocks blocks of the cache
     * @param blockSize tokens of a block
     * @param prefixCaching whether full blocks are shared between sequences
     */
    public BlockManager(int blocks, int blockSize, boolean prefixCaching) {
        this(blocks, blockSize, prefixCaching, null);
    }

    /**
     * @param blocks blocks of the cache
     * @param blockSize tokens of a block
     * @param prefixCaching whether full blocks are shared between sequences
     * @param ages measures how long cached blocks live; null if nobody asks
     */
    public BlockManager(int blocks, int blockSize, boolean prefixCaching, @Nullable BlockAges ages) {
        if (blocks < 1 || blockSize < 1) {
            throw new IllegalArgumentException(
                    "a cache of " + blocks + " blocks of " + blockSize + " tokens: both must be 1 or more");
        }
        this.blocks = blocks;
        this.blockSize = blockSize;
        this.prefixCaching = prefixCaching;
        this.ages = ages;
        references = new int[blocks];
        free = new FreeList(blocks);
        index = new BlockIndex(blocks, blockSize);
    }

    /** Blocks of the cache. */
    public int blocks() {
        return blocks;
    }

    /** Tokens of a block. */
    public int blockSize() {
        return blockSize;
    }

    /** Blocks that no sequence references, those with cached content included. */
    public int freeBlocks() {
        return free.size();
    }

    /** Blocks that {@code tokens} tokens occupy. */
    public int blocksFor(int tokens) {
        return (tokens + blockSize - 1) / blockSize;
    }

    /** The row's block ids, {@link #blockCount} of them in use; valid until the row grows, not to be modified. */
    public int[] blockTable(int row) {
        return tables[row];
    }

    /** Blocks that the row holds. */
    public int blockCount(int row) {
        return row < counts.length ? counts[row] : 0;
    }

    /**
     * Tokens of {@code tokens[0, length)} that {@link #start} would find cached: whole blocks only, and never all tokens, since the last
     * one must be computed to give logits. Changes nothing.
     *
     * @param hashes the sequence's chain, extended to {@code length}
     */
    public int cachedTokens(int[] tokens, int length, BlockHashes hashes) {
        int hits = 0;
        int most = usableBlocks(length, hashes);
        while (hits < most && find(tokens, hashes, hits) >= 0) {
            hits++;
        }
        return hits * blockSize;
    }

    /**
     * Starts a row with the cached blocks of its longest prefix.
     *
     * @return tokens that need not be computed, as {@link #cachedTokens}
     * @throws IllegalStateException if the row holds blocks
     */
    public int start(int row, int[] tokens, int length, BlockHashes hashes) {
        if (blockCount(row) != 0) {
            throw new IllegalStateException("row " + row + " holds " + counts[row] + " blocks already");
        }
        int most = usableBlocks(length, hashes);
        ensureRow(row, blocksFor(length));
        int hits = 0;
        while (hits < most) {
            int block = find(tokens, hashes, hits);
            if (block < 0) {
                break;
            }
            if (references[block]++ == 0) {
                free.remove(block);
            }
            if (ages != null) {
                ages.hit(block);
            }
            tables[row][hits++] = block;
        }
        counts[row] = hits;
        committed[row] = hits;
        return hits * blockSize;
    }

    /**
     * Makes the row's table cover {@code tokens} tokens.
     *
     * @return false, with nothing changed, if there are not enough free blocks
     */
    public boolean grow(int row, int tokens) {
        int need = blocksFor(tokens);
        int have = blockCount(row);
        if (need <= have) {
            return true;
        }
        if (need - have > free.size()) {
            return false;
        }
        ensureRow(row, need);
        int[] table = tables[row];
        for (int i = have; i < need; i++) {
            int block = free.removeFirst();
            if (index.contains(block)) {
                forget(block);
            }
            if (ages != null) {
                ages.taken(block);
            }
            references[block] = 1;
            table[i] = block;
        }
        counts[row] = need;
        return true;
    }

    /**
     * Offers the row's blocks that are full of computed tokens to other sequences.
     *
     * @param hashes the sequence's chain, extended to {@code computed}
     * @param computed tokens whose keys and values are written
     */
    public void commit(int row, int[] tokens, int computed, BlockHashes hashes) {
        if (!prefixCaching) {
            return;
        }
        int full = computed / blockSize;
        for (int i = committed[row]; i < full; i++) {
            // The same content may have been computed twice in one step; the second copy stays private.
            if (find(tokens, hashes, i) < 0) {
                index.add(tables[row][i], hashes.hi(i), hashes.lo(i), tokens, i * blockSize);
            }
        }
        committed[row] = Math.max(committed[row], full);
    }

    /** Gives up all blocks of the row, tail first; what is cached can still be hit until it is reused. */
    public void free(int row) {
        int count = blockCount(row);
        if (count == 0) {
            return;
        }
        int[] table = tables[row];
        for (int i = count - 1; i >= 0; i--) {
            int block = table[i];
            if (references[block] <= 0) {
                throw new IllegalStateException("block " + block + " of row " + row + " is freed twice");
            }
            if (--references[block] == 0) {
                if (index.contains(block)) {
                    free.addLast(block);
                } else {
                    free.addFirst(block);
                }
            }
        }
        counts[row] = 0;
        committed[row] = 0;
    }

    /** Gives up all blocks of the row and forgets their content, because it turned out to be wrong (NaN). */
    public void discard(int row) {
        for (int i = 0; i < blockCount(row); i++) {
            if (index.contains(tables[row][i])) {
                forget(tables[row][i]);
            }
        }
        free(row);
    }

    /** Forgets all cached content; sequences keep their blocks. */
    public void clearPrefixCache() {
        for (int block = 0; block < blocks; block++) {
            if (index.contains(block)) {
                forget(block);
            }
        }
    }

    private void forget(int block) {
        index.remove(block);
        if (ages != null) {
            ages.evicted(block);
        }
    }

    /**
     * Checks that every block is either free or referenced by as many tables as it counts, that the lists and the index are sound.
     * For tests: O(blocks), allocates.
     *
     * @throws IllegalStateException naming what is wrong
     */
    public void checkInvariants() {
        int[] seen = new int[blocks];
        for (int row = 0; row < counts.length; row++) {
            for (int i = 0; i < counts[row]; i++) {
                seen[tables[row][i]]++;
            }
            if (committed[row] > counts[row]) {
                throw new IllegalStateException(
                        "row " + row + " has committed " + committed[row] + " of " + counts[row] + " blocks");
            }
        }
        for (int block = 0; block < blocks; block++) {
            if (seen[block] != references[block]) {
                throw new IllegalStateException(
                        "block " + block + " counts " + references[block] + " references, tables have " + seen[block]);
            }
            if (free.contains(block) == (references[block] > 0)) {
                throw new IllegalStateException("block " + block + " with " + references[block] + " references is "
                        + (free.contains(block) ? "free" : "not free"));
            }
        }
        if (!prefixCaching && index.size() != 0) {
            throw new IllegalStateException(index.size() + " blocks are cached although the prefix cache is off");
        }
        free.check();
        index.check();
    }

    private int usableBlocks(int length, BlockHashes hashes) {
        return prefixCaching ? Math.min((length - 1) / blockSize, hashes.count()) : 0;
    }

    private int find(int[] tokens, BlockHashes hashes, int i) {
        return index.find(hashes.hi(i), hashes.lo(i), tokens, i * blockSize);
    }

    private void ensureRow(int row, int capacity) {
        if (row >= tables.length) {
            int rows = Math.max(row + 1, tables.length * 2);
            tables = Arrays.copyOf(tables, rows);
            counts = Arrays.copyOf(counts, rows);
            committed = Arrays.copyOf(committed, rows);
            for (int i = 0; i < rows; i++) {
                if (tables[i] == null) {
                    tables[i] = new int[0];
                }
            }
        }
        if (tables[row].length < capacity) {
            tables[row] = Arrays.copyOf(tables[row], Math.max(capacity, tables[row].length * 2));
        }
    }
}
