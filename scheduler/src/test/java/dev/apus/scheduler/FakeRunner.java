package dev.apus.scheduler;

import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;

/**
 * A model whose next token is a hash of all tokens before it, which it reads back through the block tables from a pretended KV cache. A
 * wrong block, slot, length or stale content changes the text.
 */
final class FakeRunner implements Runner {
    static final int VOCAB = 1000;
    /** A prompt that holds this token makes its step throw. */
    static final int POISON = 999;
    /** A prompt that holds this token gets NaN logits. */
    static final int CORRUPT = 998;
    /** Drawn tokens are below it. */
    static final int DRAWN = 900;

    /** Tokens, plus {@link #VOCAB} times the offset by which they were rotated. */
    private final int[] cache;

    private final int shortContext;
    private final Semaphore permits = new Semaphore(0);
    private volatile boolean stepping;
    /** Tokens of each step that was run. */
    final List<Integer> stepTokens = new ArrayList<>();
    /** First tokens of the sequences of each step that was run. */
    final List<List<Integer>> stepFirsts = new ArrayList<>();

    FakeRunner(int blocks) {
        this(blocks, Integer.MAX_VALUE);
    }

    /** @param shortContext most tokens of a sequence whose keys are not rotated by an offset */
    FakeRunner(int blocks, int shortContext) {
        this.shortContext = shortContext;
        cache = new int[blocks * EngineOptions.BLOCK_SIZE];
    }

    /** From now on a step runs only for each {@link #permit}. */
    FakeRunner stepwise() {
        stepping = true;
        return this;
    }

    void permit(int steps) {
        permits.release(steps);
    }

    void free() {
        stepping = false;
        permits.release(1_000_000);
    }

    @Override
    public int vocabSize() {
        return VOCAB;
    }

    @Override
    public int ropeOffset(int length) {
        return length > shortContext ? shortContext : 0;
    }

    private static int offset(StepBatch batch, int token) {
        return batch.ropeRows[token] - batch.positions[token];
    }

    @Override
    public void step(StepBatch batch, SamplingBatch sampling) {
        if (stepping) {
            permits.acquireUninterruptibly();
        }
        for (int t = 0; t < batch.tokens(); t++) {
            cache[batch.slots[t]] = batch.tokenIds[t] + VOCAB * offset(batch, t);
        }
        List<Integer> firsts = new ArrayList<>();
        for (int s = 0; s < batch.sequences(); s++) {
            firsts.add(token(batch, s, 0));
        }
        for (int t = 0; t < batch.tokens(); t++) {
            if (batch.tokenIds[t] == POISON) {
                throw new IllegalStateException("poisoned");
            }
        }
        for (int i = 0; i < sampling.count; i++) {
            sample(batch, sampling, i);
        }
        synchronized (this) {
            stepTokens.add(batch.tokens());
            stepFirsts.add(firsts);
        }
    }

    private void sample(StepBatch batch, SamplingBatch sampling, int i) {
        int t = batch.logitRows[sampling.row[i]];
        int sequence = batch.sequenceOf[t];
        int[] prefix = new int[batch.positions[t] + 1];
        if (sampling.forcedId[i] < 0 && offset(batch, t) != ropeOffset(prefix.length)) {
            throw new IllegalStateException(prefix.length + " tokens are rotated by offset " + offset(batch, t));
        }
        for (int p = 0; p < prefix.length; p++) {
            prefix[p] = token(batch, sequence, p);
            sampling.corrupted[i] |= prefix[p] == CORRUPT;
        }
        int id = next(prefix, sampling.temperature[i] == 0 ? 0 : sampling.seed[i]);
        int[] banned = sampling.banned[i];
        if (banned != null) {
            for (int ban : banned) {
                id = id == ban ? (id + 1) % DRAWN : id;
            }
        }
        sampling.sampledId[i] = sampling.forcedId[i] >= 0 ? sampling.forcedId[i] : id;
        sampling.sampledLogprob[i] = -prefix.length;
        sampling.sampledRank[i] = 1;
        if (sampling.logprobs[i] >= 0) {
            sampling.topId[i] = new int[sampling.logprobs[i]];
            sampling.topLogprob[i] = new float[sampling.logprobs[i]];
        }
    }

    private int token(StepBatch batch, int sequence, int position) {
        int block = batch.blockIds[batch.blockStart[sequence] + position / batch.blockSize()];
        int stored = cache[block * batch.blockSize() + position % batch.blockSize()];
        // a key that was rotated by another offset reads as another token
        return stored - VOCAB * offset(batch, batch.queryStart[sequence]);
    }

    /** The token after {@code prefix}. */
    static int next(int[] prefix, long seed) {
        long hash = seed;
        for (int token : prefix) {
            hash = (hash + token + 1) * 0x9e3779b97f4a7c15L;
            hash ^= hash >>> 29;
        }
        return (int) Math.floorMod(hash, (long) DRAWN);
    }
}
