package dev.apus.kvcache;

/**
 * The free blocks in the order of their reuse: a doubly linked list inside two int arrays, so that a block is taken out of the middle
 * in O(1) when its content is hit. The head is reused first.
 */
final class FreeList {
    /** Mark of a block that is not in the list. */
    private static final int OUT = -1;

    private final int[] prev;
    private final int[] next;
    /** Index of the sentinel, which closes the list to a ring. */
    private final int end;

    private int size;

    /** All of {@code 0 .. blocks - 1}, ascending. */
    FreeList(int blocks) {
        end = blocks;
        prev = new int[blocks + 1];
        next = new int[blocks + 1];
        next[end] = end;
        prev[end] = end;
        for (int block = 0; block < blocks; block++) {
            next[block] = OUT;
            addLast(block);
        }
    }

    int size() {
        return size;
    }

    boolean contains(int block) {
        return next[block] != OUT;
    }

    /** To be reused before all others. */
    void addFirst(int block) {
        insert(block, end, next[end]);
    }

    /** To be reused after all others. */
    void addLast(int block) {
        insert(block, prev[end], end);
    }

    /** Takes the head; the list must not be empty. */
    int removeFirst() {
        int block = next[end];
        if (block == end) {
            throw new IllegalStateException("the free list is empty");
        }
        remove(block);
        return block;
    }

    void remove(int block) {
        if (next[block] == OUT) {
            throw new IllegalStateException("block " + block + " is not free");
        }
        next[prev[block]] = next[block];
        prev[next[block]] = prev[block];
        next[block] = OUT;
        size--;
    }

    /** Walks both directions and counts; throws if the links disagree. */
    void check() {
        int count = 0;
        int at = end;
        do {
            if (prev[next[at]] != at) {
                throw new IllegalStateException("free list: the block after " + at + " does not point back");
            }
            at = next[at];
            count++;
        } while (at != end && count <= end + 1);
        if (count - 1 != size) {
            throw new IllegalStateException("free list holds " + (count - 1) + " blocks but counts " + size);
        }
    }

    private void insert(int block, int before, int after) {
        if (next[block] != OUT) {
            throw new IllegalStateException("block " + block + " is free already");
        }
        prev[block] = before;
        next[block] = after;
        next[before] = block;
        prev[after] = block;
        size++;
    }
}
