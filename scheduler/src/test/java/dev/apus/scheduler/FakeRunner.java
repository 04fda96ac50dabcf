package dev.apus.scheduler;

import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A model whose next token is a hash of all tokens before it, which it reads back through the block tables from a pretended KV cache. A
 * wrong block, slot, length or stale content changes the text. It may run behind the engine: then it delivers nothing before it is awaited,
 * and a step that throws breaks it for good, as a fault of a device does.
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
    private final int depth;
    private final TwoDeep placeholders = new TwoDeep();
    private final ArrayDeque<Launched> launched = new ArrayDeque<>();
    private final Semaphore permits = new Semaphore(0);
    private volatile boolean stepping;
    private @Nullable RuntimeException broken;
    /** Tokens of each step that was run. */
    final List<Integer> stepTokens = new ArrayList<>();
    /** First tokens of the sequences of each step that was run. */
    final List<List<Integer>> stepFirsts = new ArrayList<>();
    /** Tokens drawn, those that nobody waited for included. */
    final AtomicInteger drawn = new AtomicInteger();

    FakeRunner(int blocks) {
        this(blocks, Integer.MAX_VALUE, 1);
    }

    /**
     * @param shortContext most tokens of a sequence whose keys are not rotated by an offset
     * @param depth steps in flight
     */
    FakeRunner(int blocks, int shortContext, int depth) {
        this.shortContext = shortContext;
        this.depth = depth;
        cache = new int[blocks * EngineOptions.BLOCK_SIZE];
    }

    private record Launched(
            SamplingBatch sampling,
            int tokens,
            List<Integer> firsts,
            @Nullable RuntimeException fault) {}

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
    public int stepsInFlight() {
        return depth;
    }

    @Override
    public int ropeOffset(int length) {
        return length > shortContext ? shortContext : 0;
    }

    private static int offset(StepBatch batch, int token) {
        return batch.ropeRows[token] - batch.positions[token];
    }

    /** Computes at once, but keeps the results. */
    @Override
    public void launch(StepBatch batch, SamplingBatch sampling) {
        if (launched.size() == depth) {
            throw new AssertionError("more than " + depth + " steps are in flight");
        }
        RuntimeException fault = broken;
        List<Integer> firsts = new ArrayList<>();
        if (fault == null) {
            placeholders.resolve(batch, sampling);
            try {
                compute(batch, sampling, firsts);
            } catch (IllegalStateException e) {
                fault = e;
            }
        }
        if (depth > 1) {
            broken = fault;
            placeholders.keep(sampling);
            placeholders.poison(sampling);
        }
        launched.add(new Launched(sampling, batch.tokens(), firsts, fault));
    }

    @Override
    public void await(SamplingBatch sampling) {
        if (stepping) {
            permits.acquireUninterruptibly();
        }
        Launched step = launched.remove();
        if (step.sampling() != sampling) {
            throw new AssertionError("steps are awaited out of order");
        }
        if (step.fault() != null) {
            throw step.fault();
        }
        if (depth > 1) {
            placeholders.deliver(sampling);
        }
        synchronized (this) {
            stepTokens.add(step.tokens());
            stepFirsts.add(step.firsts());
        }
    }

    private void compute(StepBatch batch, SamplingBatch sampling, List<Integer> firsts) {
        for (int t = 0; t < batch.tokens(); t++) {
            cache[batch.slots[t]] = batch.tokenIds[t] + VOCAB * offset(batch, t);
        }
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
        checkHistory(sampling, i, prefix);
        int id = next(prefix, sampling.temperature[i] == 0 ? 0 : sampling.seed[i]);
        int[] banned = sampling.banned[i];
        if (banned != null) {
            for (int ban : banned) {
                id = id == ban ? (id + 1) % DRAWN : id;
            }
        }
        long[] allowed = sampling.allowed[i];
        if (allowed != null && BitSet.valueOf(allowed).cardinality() == 1) {
            id = BitSet.valueOf(allowed).nextSetBit(0);
        }
        drawn.addAndGet(sampling.forcedId[i] >= 0 ? 0 : 1);
        sampling.sampledId[i] = sampling.forcedId[i] >= 0 ? sampling.forcedId[i] : id;
        sampling.sampledLogprob[i] = -prefix.length;
        sampling.sampledRank[i] = 1;
        if (sampling.logprobs[i] >= 0) {
            sampling.topId[i] = new int[sampling.logprobs[i]];
            sampling.topLogprob[i] = new float[sampling.logprobs[i]];
        }
    }

    /** The history that penalties count is what the cache holds, and the position is the one after it. */
    private static void checkHistory(SamplingBatch sampling, int i, int[] prefix) {
        int[] history = sampling.history[i];
        if (sampling.position[i] != prefix.length) {
            throw new AssertionError("position " + sampling.position[i] + " after " + prefix.length + " tokens");
        }
        if (history != null
                && (sampling.historyLength[i] != prefix.length
                        || !java.util.Arrays.equals(history, 0, prefix.length, prefix, 0, prefix.length))) {
            throw new AssertionError("the history is not the sequence of " + prefix.length + " tokens");
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
