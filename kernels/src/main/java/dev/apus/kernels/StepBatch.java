package dev.apus.kernels;

import java.util.Arrays;

/**
 * What one step computes: the tokens of all its sequences, one after the other, and where their keys and values live.
 *
 * <p>Preallocated for the largest step and refilled for each one: {@link #clear}, then {@link #addSequence} per sequence. A CUDA
 * backend copies it to the device in one block. Arrays are exposed for kernels to read; only this class writes them.
 */
public final class StepBatch {
    /** Token ids, {@code [tokens]}. */
    public final int[] tokenIds;
    /** Position in its sequence of each token, {@code [tokens]}. */
    public final int[] positions;
    /** Row of the rotary tables of each token, {@code [tokens]}: its position, but for sequences added with a {@code ropeOffset}. */
    public final int[] ropeRows;
    /** KV slot that each token is written to, {@code block * blockSize + offset}, {@code [tokens]}. */
    public final int[] slots;
    /** Index of the sequence of each token, {@code [tokens]}. */
    public final int[] sequenceOf;
    /** First token of each sequence, then the token count, {@code [sequences + 1]}. */
    public final int[] queryStart;
    /** Keys that each sequence has once this step is written: computed before plus tokens of this step, {@code [sequences]}. */
    public final int[] kvLength;
    /** Start of each sequence's block ids in {@link #blockIds}, {@code [sequences + 1]}. */
    public final int[] blockStart;
    /** Block tables of all sequences, one after the other; grows when needed. */
    public int[] blockIds;
    /** Tokens whose hidden state goes on to the logits, ascending, {@code [logitRows]}. */
    public final int[] logitRows;

    private final int blockSize;
    private int tokens;
    private int sequences;
    private int logitRowCount;

    /** Room for {@code maxTokens} tokens of {@code maxSequences} sequences over blocks of {@code blockSize} tokens. */
    public StepBatch(int maxTokens, int maxSequences, int blockSize) {
        this.blockSize = blockSize;
        tokenIds = new int[maxTokens];
        positions = new int[maxTokens];
        ropeRows = new int[maxTokens];
        slots = new int[maxTokens];
        sequenceOf = new int[maxTokens];
        queryStart = new int[maxSequences + 1];
        kvLength = new int[maxSequences];
        blockStart = new int[maxSequences + 1];
        blockIds = new int[Math.max(1, maxSequences * 8)];
        logitRows = new int[maxTokens];
    }

    /** Empties the batch. */
    public void clear() {
        tokens = 0;
        sequences = 0;
        logitRowCount = 0;
    }

    /** Adds the next {@code count} tokens of a sequence that is rotated by its positions: {@code ropeOffset} 0. */
    public int addSequence(int[] ids, int from, int count, int[] blockTable, int blockCount, int logitsFrom) {
        return addSequence(ids, from, count, blockTable, blockCount, logitsFrom, 0);
    }

    /**
     * Adds the next {@code count} tokens of a sequence.
     *
     * @param ids source of token ids
     * @param from index in {@code ids} of the first one, which is also its position in the sequence
     * @param blockTable the sequence's block ids; must cover position {@code from + count - 1}
     * @param blockCount entries of {@code blockTable} in use
     * @param logitsFrom index relative to {@code from} from which tokens produce logits: {@code count - 1} for the last only,
     *     0 for all, {@code count} for none
     * @param ropeOffset what to add to a position for its row in the rotary tables, the same for all tokens of a sequence; not 0 only
     *     where a model's tables hold angles for long sequences behind those for short ones (LongRoPE)
     * @return index of the sequence in this batch
     * @throws IllegalArgumentException if the block table does not cover the tokens
     * @throws IndexOutOfBoundsException if the batch is full
     */
    public int addSequence(
            int[] ids, int from, int count, int[] blockTable, int blockCount, int logitsFrom, int ropeOffset) {
        int length = from + count;
        if (count <= 0 || (length + blockSize - 1) / blockSize > blockCount) {
            throw new IllegalArgumentException(count + " tokens from position " + from + " do not fit " + blockCount
                    + " blocks of " + blockSize + " tokens");
        }
        int sequence = sequences;
        int start = blockStart[sequence];
        if (start + blockCount > blockIds.length) {
            blockIds = Arrays.copyOf(blockIds, Math.max(start + blockCount, blockIds.length * 2));
        }
        System.arraycopy(blockTable, 0, blockIds, start, blockCount);
        queryStart[sequence] = tokens;
        for (int i = 0; i < count; i++) {
            int position = from + i;
            int t = tokens + i;
            tokenIds[t] = ids[position];
            positions[t] = position;
            ropeRows[t] = position + ropeOffset;
            slots[t] = blockTable[position / blockSize] * blockSize + position % blockSize;
            sequenceOf[t] = sequence;
            if (i >= logitsFrom) {
                logitRows[logitRowCount++] = t;
            }
        }
        tokens += count;
        kvLength[sequence] = length;
        sequences = sequence + 1;
        queryStart[sequences] = tokens;
        blockStart[sequences] = start + blockCount;
        return sequence;
    }

    /**
     * Adds a token of the sequence that was added last to the rows that go on to the logits: its first token, say, which no
     * {@code logitsFrom} can name alone.
     *
     * @param token index in this batch, above those added before
     */
    public void addLogitRow(int token) {
        if (token < 0 || token >= tokens || (logitRowCount > 0 && token <= logitRows[logitRowCount - 1])) {
            throw new IllegalArgumentException("token " + token + " of a batch of " + tokens
                    + " cannot be a logit row; it must be there and above those before");
        }
        logitRows[logitRowCount++] = token;
    }

    public int blockSize() {
        return blockSize;
    }

    /** Tokens in this step. */
    public int tokens() {
        return tokens;
    }

    /** Sequences in this step. */
    public int sequences() {
        return sequences;
    }

    /** Rows of the logits that this step produces. */
    public int logitRowCount() {
        return logitRowCount;
    }
}
