package dev.apus.kvcache;

/**
 * From the key of a full block to the block that holds it: open addressing with linear probing and backward-shift deletion in one int
 * array. A hit is a block whose 128-bit chain key and whose own tokens are equal. Allocates nothing after construction.
 */
final class BlockIndex {
    private final int blockSize;
    private final int[] table;
    private final int mask;
    private final long[] hi;
    private final long[] lo;
    private final int[] tokens;
    private final boolean[] indexed;
    private int size;

    BlockIndex(int blocks, int blockSize) {
        this.blockSize = blockSize;
        // At most half full, so that probe chains stay short.
        int capacity = Integer.highestOneBit(Math.max(4, blocks * 2 - 1)) << 1;
        table = new int[capacity];
        mask = capacity - 1;
        hi = new long[blocks];
        lo = new long[blocks];
        tokens = new int[Math.multiplyExact(blocks, blockSize)];
        indexed = new boolean[blocks];
    }

    int size() {
        return size;
    }

    boolean contains(int block) {
        return indexed[block];
    }

    /** The block with this key that holds {@code source[from, from + blockSize)}, or -1. */
    int find(long keyHi, long keyLo, int[] source, int from) {
        for (int at = (int) keyLo & mask; table[at] != 0; at = at + 1 & mask) {
            int block = table[at] - 1;
            if (lo[block] == keyLo && hi[block] == keyHi && sameTokens(block, source, from)) {
                return block;
            }
        }
        return -1;
    }

    /** Adds a block; its key must not be there. */
    void add(int block, long keyHi, long keyLo, int[] source, int from) {
        hi[block] = keyHi;
        lo[block] = keyLo;
        System.arraycopy(source, from, tokens, block * blockSize, blockSize);
        indexed[block] = true;
        int at = (int) keyLo & mask;
        while (table[at] != 0) {
            at = at + 1 & mask;
        }
        table[at] = block + 1;
        size++;
    }

    void remove(int block) {
        int hole = (int) lo[block] & mask;
        while (table[hole] != block + 1) {
            hole = hole + 1 & mask;
        }
        // Moves back what probed past the hole, so that no tombstones are needed.
        for (int at = hole + 1 & mask; table[at] != 0; at = at + 1 & mask) {
            int home = (int) lo[table[at] - 1] & mask;
            if ((at - home & mask) >= (at - hole & mask)) {
                table[hole] = table[at];
                hole = at;
            }
        }
        table[hole] = 0;
        indexed[block] = false;
        size--;
    }

    /** Throws if an entry cannot be found by its own key or the counts disagree. */
    void check() {
        int entries = 0;
        for (int block = 0; block < indexed.length; block++) {
            if (indexed[block]) {
                entries++;
                if (find(hi[block], lo[block], tokens, block * blockSize) != block) {
                    throw new IllegalStateException("cached block " + block + " is not found by its key");
                }
            }
        }
        int used = 0;
        for (int entry : table) {
            used += entry == 0 ? 0 : 1;
        }
        if (entries != size || used != size) {
            throw new IllegalStateException(
                    "index counts " + size + " blocks, marks " + entries + " and its table holds " + used);
        }
    }

    private boolean sameTokens(int block, int[] source, int from) {
        int start = block * blockSize;
        for (int i = 0; i < blockSize; i++) {
            if (tokens[start + i] != source[from + i]) {
                return false;
            }
        }
        return true;
    }
}
