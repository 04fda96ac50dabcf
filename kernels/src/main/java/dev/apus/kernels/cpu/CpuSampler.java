package dev.apus.kernels.cpu;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.SamplingBatch;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Samples tokens on the CPU: the CPU backend's {@code Kernels.sample}, rows in parallel over the pool.
 *
 * <p>The order is vLLM's: log-probabilities of the raw logits; allowed and banned ids; bias; penalties; then greedy, or temperature,
 * min-p, top-k, top-p and a draw. Equal logits are broken by the lowest id. A row's token is a function of its logits, its parameters,
 * its seed and its position only. A greedy row without any of the rest is one pass.
 *
 * <p>The logits are left as they are. Scratch memory is one padded row per thread and a few of its size once a row is drawn; nothing is
 * allocated per step after that. One thread at a time may sample.
 */
final class CpuSampler {
    /** Temperatures below it are greedy, as in vLLM. */
    private static final float GREEDY = 1e-5f;
    /** Mark of a prompt token in {@link Scratch#marks}; the bits below count its occurrences in the output. */
    private static final int IN_PROMPT = 1 << 30;

    private final CpuPool pool;
    private final LogitPasses[] passes;
    private final @Nullable Scratch[] scratch;
    private final CpuPool.Task task = this::samplePart;
    private @Nullable HostTensor logits;
    private @Nullable SamplingBatch batch;

    /** @param passes makes the passes of one thread */
    CpuSampler(CpuPool pool, Supplier<LogitPasses> passes) {
        this.pool = pool;
        this.passes = new LogitPasses[pool.threads()];
        Arrays.setAll(this.passes, i -> passes.get());
        scratch = new Scratch[pool.threads()];
    }

    /**
     * Fills the results of {@code batch}.
     *
     * @param logits F32 {@code [rows, vocab]}
     * @throws IllegalArgumentException if the shape or a row number is wrong
     */
    public void sample(HostTensor logits, SamplingBatch batch) {
        if (logits.dtype() != DType.F32 || logits.rank() != 2) {
            throw new IllegalArgumentException("logits are " + logits + ", must be F32[rows, vocab]");
        }
        for (int i = 0; i < batch.count; i++) {
            if (batch.row[i] < 0 || batch.row[i] >= logits.dim(0)) {
                throw new IllegalArgumentException(
                        "entry " + i + " samples from row " + batch.row[i] + " of " + logits);
            }
        }
        if (batch.count == 0) {
            return;
        }
        this.logits = logits;
        this.batch = batch;
        try {
            pool.run(task, Math.min(batch.count, CpuPool.MAX_PARTS));
        } finally {
            this.logits = null;
            this.batch = null;
        }
    }

    /** Number in [0, 1) that belongs to a seed and a position: two rounds of SplitMix64's finaliser (Steele, Lea, Flood 2014). */
    static double uniform(long seed, int position) {
        long z = mix(seed + 0x9e3779b97f4a7c15L);
        z = mix(z ^ (position + 1) * 0x9e3779b97f4a7c15L);
        return (z >>> 11) * 0x1p-53;
    }

    private static long mix(long value) {
        long z = value;
        z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
        return z ^ (z >>> 31);
    }

    private void samplePart(int part, int parts, int thread) {
        HostTensor source = logits;
        SamplingBatch rows = batch;
        if (source == null || rows == null) {
            throw new IllegalStateException("a part runs outside of a job");
        }
        int vocab = Math.toIntExact(source.dim(1));
        for (int i = CpuPool.start(part, parts, rows.count, 1);
                i < CpuPool.start(part + 1, parts, rows.count, 1);
                i++) {
            long offset = 4L * rows.row[i] * vocab;
            if (isPlainGreedy(rows, i)) {
                int id = passes[thread].argmax(source.data(), offset, vocab);
                rows.corrupted[i] = id < 0;
                rows.sampledId[i] = Math.max(id, 0);
            } else {
                sampleRow(source.data(), offset, vocab, rows, i, scratch(thread, vocab));
            }
        }
    }

    private Scratch scratch(int thread, int vocab) {
        Scratch mine = scratch[thread];
        if (mine == null || mine.vocab != vocab) {
            mine = new Scratch(vocab, passes[thread]);
            scratch[thread] = mine;
        }
        return mine;
    }

    private static boolean isPlainGreedy(SamplingBatch b, int i) {
        return b.temperature[i] < GREEDY
                && b.logprobs[i] < 0
                && b.forcedId[i] < 0
                && b.history[i] == null
                && b.biasId[i] == null
                && b.banned[i] == null
                && b.allowed[i] == null;
    }

    private static void sampleRow(MemorySegment data, long offset, int vocab, SamplingBatch b, int i, Scratch s) {
        float[] values = s.values;
        LogitPasses.load(data, offset, vocab, values);
        b.corrupted[i] = s.passes.corrupted(values);
        if (b.corrupted[i]) {
            b.sampledId[i] = 0;
            return;
        }
        double logSum = 0;
        if (b.logprobs[i] >= 0) {
            float max = values[s.passes.argmax(values)];
            logSum = max + Math.log(s.passes.expSum(values, max));
            topLogprobs(b, i, values, vocab, logSum, s);
        }
        int id = b.forcedId[i];
        if (id < 0) {
            adjust(values, vocab, b, i, s);
            id = s.passes.argmax(values);
            if (id >= vocab || values[id] == Float.NEGATIVE_INFINITY) {
                // Every token is banned: there is nothing to draw.
                b.corrupted[i] = true;
                b.sampledId[i] = 0;
                return;
            }
            if (b.temperature[i] >= GREEDY) {
                id = s.draw()
                        .draw(
                                values,
                                vocab,
                                b.temperature[i],
                                b.topK[i],
                                b.topP[i],
                                b.minP[i],
                                uniform(b.seed[i], b.position[i]));
            }
        }
        b.sampledId[i] = id;
        if (b.logprobs[i] >= 0) {
            LogitPasses.load(data, offset, vocab, values);
            b.sampledLogprob[i] = (float) (values[id] - logSum);
            b.sampledRank[i] = rank(values, id, s.passes);
        }
    }

    private static void topLogprobs(SamplingBatch b, int i, float[] values, int vocab, double logSum, Scratch s) {
        int k = Math.min(b.logprobs[i], vocab);
        int[] ids = b.topId[i];
        float[] logprobs = b.topLogprob[i];
        if (ids == null || logprobs == null || ids.length < k || logprobs.length < k) {
            ids = new int[k];
            logprobs = new float[k];
            b.topId[i] = ids;
            b.topLogprob[i] = logprobs;
        }
        int[] named = b.logprobIds[i];
        if (named != null) {
            for (int j = 0; j < k; j++) {
                ids[j] = named[j];
                logprobs[j] = (float) (values[named[j]] - logSum);
            }
            return;
        }
        s.top.select(values, vocab, k);
        for (int j = 0; j < k; j++) {
            ids[j] = s.top.id(j);
            logprobs[j] = (float) (s.top.value(j) - logSum);
        }
    }

    /** 1 plus the tokens that come before {@code id}: likelier, or equal and lower. */
    private static int rank(float[] values, int id, LogitPasses passes) {
        float value = values[id];
        int rank = 1 + passes.countGreater(values, value);
        for (int j = 0; j < id; j++) {
            rank += values[j] == value ? 1 : 0;
        }
        return rank;
    }

    private static void adjust(float[] values, int vocab, SamplingBatch b, int i, Scratch s) {
        long[] allowed = b.allowed[i];
        if (allowed != null) {
            keepAllowed(values, vocab, allowed);
        }
        int[] banned = b.banned[i];
        if (banned != null) {
            for (int id : banned) {
                values[id] = Float.NEGATIVE_INFINITY;
            }
        }
        int[] biasIds = b.biasId[i];
        float[] biases = b.biasValue[i];
        if (biasIds != null && biases != null) {
            for (int j = 0; j < biasIds.length; j++) {
                values[biasIds[j]] += biases[j];
            }
        }
        int[] history = b.history[i];
        if (history != null) {
            penalise(values, history, b, i, s.marks());
        }
    }

    private static void keepAllowed(float[] values, int vocab, long[] allowed) {
        for (int word = 0; word * 64 < vocab; word++) {
            long bits = word < allowed.length ? allowed[word] : 0;
            int end = Math.min(vocab, word * 64 + 64);
            if (bits == 0) {
                Arrays.fill(values, word * 64, end, Float.NEGATIVE_INFINITY);
            } else if (bits != -1) {
                for (int id = word * 64; id < end; id++) {
                    if ((bits >>> id & 1) == 0) {
                        values[id] = Float.NEGATIVE_INFINITY;
                    }
                }
            }
        }
    }

    /** Applies the penalties once per distinct token; {@code marks} is all zero before and after. */
    private static void penalise(float[] values, int[] history, SamplingBatch b, int i, int[] marks) {
        int promptLength = b.promptLength[i];
        int length = b.historyLength[i];
        for (int j = 0; j < promptLength; j++) {
            marks[history[j]] = IN_PROMPT;
        }
        for (int j = promptLength; j < length; j++) {
            marks[history[j]]++;
        }
        float repetition = b.repetitionPenalty[i];
        for (int j = 0; j < length; j++) {
            int id = history[j];
            int mark = marks[id];
            if (mark != 0) {
                marks[id] = 0;
                int occurrences = mark & (IN_PROMPT - 1);
                float value = values[id] > 0 ? values[id] / repetition : values[id] * repetition;
                value -= b.frequencyPenalty[i] * occurrences;
                values[id] = occurrences > 0 ? value - b.presencePenalty[i] : value;
            }
        }
    }

    /** What one thread needs to sample a row. */
    private static final class Scratch {
        final int vocab;
        final float[] values;
        final LogitPasses passes;
        final TopTokens top;
        private @Nullable TokenDraw draw;
        private int @Nullable [] marks;

        Scratch(int vocab, LogitPasses passes) {
            this.vocab = vocab;
            this.passes = passes;
            top = new TopTokens(passes);
            values = new float[LogitPasses.padded(vocab)];
        }

        TokenDraw draw() {
            if (draw == null) {
                draw = new TokenDraw(vocab, passes);
            }
            return draw;
        }

        int[] marks() {
            if (marks == null) {
                marks = new int[vocab];
            }
            return marks;
        }
    }
}
