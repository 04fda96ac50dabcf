package dev.apus.server.http;

import dev.apus.scheduler.Engine;
import dev.apus.scheduler.EngineEvent;
import dev.apus.scheduler.EngineEvent.Failed;
import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.scheduler.EngineEvent.Finished;
import dev.apus.scheduler.EngineEvent.PromptLogprobs;
import dev.apus.scheduler.EngineEvent.Timing;
import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import dev.apus.scheduler.EngineEvent.Tokens;
import dev.apus.scheduler.EngineStats;
import dev.apus.scheduler.QueueFullException;
import dev.apus.scheduler.Request;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;

/** Answers each request as a script says, on a thread of its own; a script may wait for the test. */
final class ScriptedEngine implements Engine {
    /** What the engine says of a request. */
    interface Script {
        /** Must end with {@link Answer#finish} or {@link Answer#fail} unless the request was aborted. */
        void play(Answer answer) throws InterruptedException;
    }

    private final ExecutorService threads = Executors.newThreadPerTaskExecutor(
            Thread.ofVirtual().name("scripted-engine-", 0).factory());
    private final Map<String, Answer> running = new ConcurrentHashMap<>();
    private final Script script;
    volatile boolean full;

    ScriptedEngine(Script script) {
        this.script = script;
    }

    @Override
    public void submit(List<Job> jobs) {
        if (full) {
            throw new QueueFullException(7, 7, 3);
        }
        for (Job job : jobs) {
            Answer answer = new Answer(job.request(), job.events());
            running.put(job.request().id(), answer);
            threads.execute(() -> play(answer));
        }
    }

    private void play(Answer answer) {
        try {
            script.play(answer);
            if (answer.aborted && !answer.ended) {
                answer.end(FinishReason.ABORT, -1);
            }
        } catch (InterruptedException e) {
            answer.fail("the engine is closed", true);
        } finally {
            running.remove(answer.request.id());
        }
    }

    @Override
    public void abort(String requestId) {
        Answer answer = running.get(requestId);
        if (answer != null) {
            answer.aborted = true;
        }
    }

    @Override
    public CompletableFuture<Void> drain() {
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public EngineStats stats() {
        return new EngineStats(running.size(), 0, 100, 50, 16, 10, 5, 0, 20, 30, 40, true);
    }

    @Override
    public void close() {
        threads.shutdownNow();
        threads.close();
    }

    /** One request's events; after an abort they are swallowed, and the script may return. */
    static final class Answer {
        /** Told of every token but the last prompt's, for recognition. */
        static final float LOGPROB = -0.5f;

        private final Request request;
        private final Consumer<EngineEvent> events;
        private volatile boolean aborted;
        private boolean ended;
        private int made;

        private Answer(Request request, Consumer<EngineEvent> events) {
            this.request = request;
            this.events = events;
        }

        Request request() {
            return request;
        }

        boolean aborted() {
            return aborted;
        }

        /** Tells the prompt's log-probabilities if they were asked for. */
        void promptLogprobs() {
            int most = request.params().promptLogprobs();
            if (most >= 0) {
                int[] prompt = request.prompt();
                events.accept(new PromptLogprobs(
                        request.id(), logprobs(LOGPROB, Arrays.copyOfRange(prompt, 1, prompt.length), most)));
            }
        }

        /** New tokens in one event. */
        void tokens(int... ids) {
            tokensOf(LOGPROB, ids);
        }

        /** The same with another log-probability. */
        void tokensOf(float logprob, int... ids) {
            if (!aborted) {
                made += ids.length;
                int most = request.params().logprobs();
                events.accept(new Tokens(request.id(), ids, most < 0 ? null : logprobs(logprob, ids, most)));
            }
        }

        /** The end, if the request was not aborted before. */
        void finish(FinishReason reason, int stopTokenId) {
            if (!aborted) {
                end(reason, stopTokenId);
            }
        }

        void fail(String message, boolean retryable) {
            ended = true;
            events.accept(new Failed(request.id(), message, retryable));
        }

        private void end(FinishReason reason, int stopTokenId) {
            ended = true;
            long now = System.nanoTime();
            Timing timing = new Timing(request.arrivalNanos(), now, now, now, 0);
            events.accept(new Finished(request.id(), reason, stopTokenId, request.prompt().length, 0, made, timing));
        }

        /** Each token is the likeliest; the ids after it follow at equal distances. */
        private static List<TokenLogprobs> logprobs(float logprob, int[] ids, int most) {
            return Arrays.stream(ids)
                    .mapToObj(id -> {
                        int[] top = new int[most];
                        float[] values = new float[most];
                        for (int k = 0; k < most; k++) {
                            top[k] = id + k;
                            values[k] = logprob - k;
                        }
                        return new TokenLogprobs(id, logprob, 1, top, values);
                    })
                    .toList();
        }
    }
}
