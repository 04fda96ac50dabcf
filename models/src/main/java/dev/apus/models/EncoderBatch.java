package dev.apus.models;

import dev.apus.kernels.StepBatch;

/**
 * Whole sequences that an {@link Encoder} computes at once, one behind the other without padding. Preallocated and refilled: {@link #clear},
 * then {@link #add}.
 */
public final class EncoderBatch {
    /** Tokens of a block of the CPU's KV cache, which holds one layer's keys and values while that layer is computed. */
    static final int BLOCK = 16;

    /** Ids and positions; the first token of each sequence is a logit row. */
    final StepBatch tokens;
    /** Token types in the place of ids. */
    final StepBatch types;

    private final int maxTokens;
    private final int maxSequences;
    private final int[] table;
    private int blocks;

    /** Room for {@code maxTokens} tokens of {@code maxSequences} sequences. */
    public EncoderBatch(int maxTokens, int maxSequences) {
        this.maxTokens = maxTokens;
        this.maxSequences = maxSequences;
        tokens = new StepBatch(maxTokens, maxSequences, BLOCK);
        types = new StepBatch(maxTokens, maxSequences, BLOCK);
        table = new int[(maxTokens + BLOCK - 1) / BLOCK];
    }

    /** Blocks that any batch of such a size needs. */
    static int blocks(int maxTokens, int maxSequences) {
        return maxTokens / BLOCK + maxSequences;
    }

    /** Empties the batch. */
    public void clear() {
        tokens.clear();
        types.clear();
        blocks = 0;
    }

    /** Whether a sequence of so many tokens can be added. */
    public boolean fits(int length) {
        return tokens.sequences() < maxSequences && length <= maxTokens - tokens.tokens();
    }

    /**
     * Adds a sequence.
     *
     * @param ids at least one
     * @param tokenTypes one per id
     * @throws IllegalArgumentException if it is empty, does not fit or the lengths differ
     */
    public void add(int[] ids, int[] tokenTypes) {
        if (ids.length == 0 || ids.length != tokenTypes.length || !fits(ids.length)) {
            throw new IllegalArgumentException("a sequence of " + ids.length + " tokens and " + tokenTypes.length
                    + " types; at least one token, as many types and room for both are needed");
        }
        int count = (ids.length + BLOCK - 1) / BLOCK;
        for (int b = 0; b < count; b++) {
            table[b] = blocks + b;
        }
        blocks += count;
        int first = tokens.tokens();
        tokens.addSequence(ids, 0, ids.length, table, count, ids.length);
        tokens.addLogitRow(first);
        types.addSequence(tokenTypes, 0, ids.length, table, count, ids.length);
    }

    /** Sequences of the batch. */
    public int sequences() {
        return tokens.sequences();
    }

    /** Tokens of the batch. */
    public int tokens() {
        return tokens.tokens();
    }

    /** First token of the i-th sequence; of the one behind the last, the number of tokens. */
    public int start(int i) {
        return i == tokens.sequences() ? tokens.tokens() : tokens.queryStart[i];
    }
}
