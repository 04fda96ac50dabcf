package dev.apus.server.bench;

import dev.apus.scheduler.Engine;
import dev.apus.scheduler.EngineEvent;
import dev.apus.scheduler.Request;
import dev.apus.scheduler.SamplingParams;
import dev.apus.scheduler.SamplingParamsBuilder;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Tokens per second of an engine, measured at its message boundary: scheduler, forward pass and sampling, without text or network.
 *
 * <p>Prompts are made of the ids that the project's scripts for other engines use too, so that figures can stand side by side.
 */
public final class EngineBench {
    /** Streams that are measured must all be past their prompt; the time until then does not count. */
    private static final int WARM_UP_TOKENS = 16;

    private final Engine engine;
    private final int vocabSize;
    private int requests;

    public EngineBench(Engine engine, int vocabSize) {
        this.engine = engine;
        this.vocabSize = vocabSize;
    }

    /** Compiles the kernels: a few prompts and a batch, until the JIT has seen what will be measured. */
    public void warmUp() throws InterruptedException {
        for (int i = 0; i < 3; i++) {
            prefill(512, 1);
            decode(1, 128, WARM_UP_TOKENS * 4, 1);
            decode(16, 64, WARM_UP_TOKENS, 1);
        }
    }

    /** Prompt tokens per second of one prompt of {@code length} tokens on an idle engine; the median of {@code repeats}. */
    public double prefill(int length, int repeats) throws InterruptedException {
        double[] rates = new double[repeats];
        for (int r = 0; r < repeats; r++) {
            Streams streams = new Streams(1);
            long start = System.nanoTime();
            // Another first token each time: the prefix cache must not help.
            submit(prompt(length, requests), 1, streams);
            streams.await();
            rates[r] = length * 1e9 / (streams.firstTokens - start);
        }
        return median(rates);
    }

    /**
     * Tokens per second that {@code streams} streams of {@code output} tokens decode together once all have their first token; the median
     * of {@code repeats}.
     */
    public double decode(int streams, int promptLength, int output, int repeats) throws InterruptedException {
        for (int s = 0; s < streams; s++) {
            Streams one = new Streams(1);
            submit(prompt(promptLength, 31 * s), 1, one);
            one.await();
        }
        double[] rates = new double[repeats];
        for (int r = 0; r < repeats; r++) {
            Streams all = new Streams(streams);
            for (int s = 0; s < streams; s++) {
                // Its prompt lies in the prefix cache from above, so that all streams start within a few steps.
                submit(prompt(promptLength, 31 * s), output, all);
            }
            all.await();
            rates[r] = all.rate();
        }
        return median(rates);
    }

    private void submit(int[] prompt, int maxTokens, Streams streams) {
        SamplingParams params = new SamplingParamsBuilder()
                .temperature(0)
                .maxTokens(maxTokens)
                .ignoreEos(true)
                .build();
        engine.submit(new Request("bench-" + requests++, prompt, params), streams.listener());
    }

    private int[] prompt(int length, int offset) {
        int[] ids = new int[length];
        for (int i = 0; i < length; i++) {
            ids[i] = (int) (((i + (long) offset) * 7919 + 13) % (vocabSize - 100)) + 50;
        }
        return ids;
    }

    static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /** Counts the tokens of streams that run together. Events come on one thread. */
    private static final class Streams {
        private final int count;
        private final CountDownLatch ended;
        private final AtomicReference<@Nullable String> failure = new AtomicReference<>();
        private int started;
        /** When the last stream had its first token. */
        private volatile long firstTokens;

        private volatile long lastToken;
        private volatile int tokensAfter;

        Streams(int count) {
            this.count = count;
            ended = new CountDownLatch(count);
        }

        java.util.function.Consumer<EngineEvent> listener() {
            boolean[] seen = new boolean[1];
            return event -> {
                switch (event) {
                    case EngineEvent.Tokens tokens -> count(tokens.ids().length, seen);
                    case EngineEvent.Finished finished -> ended.countDown();
                    case EngineEvent.Failed failed -> {
                        failure.set(failed.message());
                        ended.countDown();
                    }
                    case EngineEvent.PromptLogprobs logprobs -> {
                        // Not asked for.
                    }
                }
            };
        }

        @SuppressWarnings("NonAtomicVolatileUpdate") // one thread writes
        private void count(int tokens, boolean[] seen) {
            long now = System.nanoTime();
            if (!seen[0]) {
                seen[0] = true;
                if (++started == count) {
                    firstTokens = now;
                    return;
                }
            }
            if (started == count) {
                tokensAfter += tokens;
                lastToken = now;
            }
        }

        void await() throws InterruptedException {
            ended.await();
            String message = failure.get();
            if (message != null) {
                throw new IllegalStateException("a request of the benchmark failed: " + message);
            }
        }

        double rate() {
            return tokensAfter * 1e9 / (lastToken - firstTokens);
        }
    }
}
