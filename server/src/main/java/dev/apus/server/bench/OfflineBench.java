package dev.apus.server.bench;

import dev.apus.scheduler.Engine;
import dev.apus.scheduler.EngineEvent;
import dev.apus.scheduler.Request;
import dev.apus.scheduler.SamplingParams;
import dev.apus.scheduler.SamplingParamsBuilder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Runs sets of requests through an engine in this process, greedy and to their full length: what {@code vllm bench latency} and {@code throughput} do. */
public final class OfflineBench {
    private final Engine engine;
    private int requests;

    public OfflineBench(Engine engine) {
        this.engine = engine;
    }

    /**
     * Times of one run, in seconds.
     *
     * @param total from the first submission to the last token
     * @param firstTokens from the first submission until every request had its first token
     * @param decodeTokens tokens that came after that and before the first request ended
     * @param decodeSeconds how long that took
     */
    public record Run(double total, double firstTokens, int decodeTokens, double decodeSeconds) {
        /** Tokens per second while all requests decoded together; 0 if they never did. */
        public double decodeRate() {
            return decodeSeconds > 0 ? decodeTokens / decodeSeconds : 0;
        }
    }

    /** Submits all at once and waits for the last. */
    public Run run(List<BenchRequest> workload) throws InterruptedException {
        Progress progress = new Progress(workload.size());
        List<Request> all = new ArrayList<>(workload.size());
        for (BenchRequest request : workload) {
            if (request.text() != null) {
                throw new IllegalArgumentException("a prompt is text; it must be tokenised first");
            }
            SamplingParams params = new SamplingParamsBuilder()
                    .temperature(0)
                    .maxTokens(request.outputTokens())
                    .ignoreEos(true)
                    .build();
            all.add(new Request("bench-" + requests++, request.prompt(), params));
        }
        long start = System.nanoTime();
        for (Request request : all) {
            engine.submit(request, progress.listener());
        }
        return progress.await(start);
    }

    /** Events come on one thread. */
    private static final class Progress {
        private final int count;
        private final CountDownLatch ended;
        private final AtomicReference<@Nullable String> failure = new AtomicReference<>();
        private int started;
        private volatile long allStarted;
        private volatile long firstEnd;
        private volatile long last;
        private volatile long lastDecode;
        private volatile int decoded;

        Progress(int count) {
            this.count = count;
            ended = new CountDownLatch(count);
        }

        Consumer<EngineEvent> listener() {
            boolean[] seen = new boolean[1];
            return event -> {
                switch (event) {
                    case EngineEvent.Tokens tokens -> tokens(tokens.ids().length, seen);
                    case EngineEvent.Finished finished -> end();
                    case EngineEvent.Failed failed -> {
                        failure.compareAndSet(null, failed.message());
                        end();
                    }
                    case EngineEvent.PromptLogprobs logprobs -> {
                        // not asked for
                    }
                }
            };
        }

        private void end() {
            if (firstEnd == 0) {
                firstEnd = System.nanoTime();
            }
            ended.countDown();
        }

        @SuppressWarnings("NonAtomicVolatileUpdate") // one thread writes
        private void tokens(int tokens, boolean[] seen) {
            long now = System.nanoTime();
            last = now;
            if (!seen[0]) {
                seen[0] = true;
                if (++started == count) {
                    allStarted = now;
                    return;
                }
            }
            if (started == count && firstEnd == 0) {
                decoded += tokens;
                lastDecode = now;
            }
        }

        Run await(long start) throws InterruptedException {
            ended.await();
            String message = failure.get();
            if (message != null) {
                throw new IllegalStateException("a request of the benchmark failed: " + message);
            }
            double decode = lastDecode > allStarted ? (lastDecode - allStarted) * 1e-9 : 0;
            return new Run((last - start) * 1e-9, (allStarted - start) * 1e-9, decoded, decode);
        }
    }
}
