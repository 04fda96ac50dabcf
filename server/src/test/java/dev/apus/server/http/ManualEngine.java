package dev.apus.server.http;

import dev.apus.scheduler.Engine;
import dev.apus.scheduler.EngineEvent;
import dev.apus.scheduler.EngineEvent.FailureKind;
import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.scheduler.EngineEvent.Finished;
import dev.apus.scheduler.EngineEvent.Timing;
import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import dev.apus.scheduler.EngineEvent.Tokens;
import dev.apus.scheduler.EngineStats;
import dev.apus.scheduler.QueueFullException;
import dev.apus.scheduler.Request;
import dev.apus.scheduler.RequestStats;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Emits what a test tells it to, when it tells it to; an aborted request ends at once. */
final class ManualEngine implements Engine {
    /** A request that the server has submitted. */
    static final class Work {
        final Request request;
        private final Consumer<EngineEvent> events;
        private final AtomicInteger generated = new AtomicInteger();

        private Work(Request request, Consumer<EngineEvent> events) {
            this.request = request;
            this.events = events;
        }

        /** Emits the characters of a text as tokens. */
        void emit(String text) {
            int[] ids = text.chars().toArray();
            generated.addAndGet(ids.length);
            events.accept(new Tokens(request.id(), ids, null));
        }

        /** Emits the characters of a text as tokens with log-probabilities. */
        void emit(String text, int top) {
            int[] ids = text.chars().toArray();
            generated.addAndGet(ids.length);
            events.accept(new Tokens(
                    request.id(),
                    ids,
                    Arrays.stream(ids).mapToObj(id -> logprobs(id, top)).toList()));
        }
    }

    /** What the engine tells of one token with so many others. */
    static TokenLogprobs logprobs(int id, int top) {
        return new TokenLogprobs(id, -0.5f, 1, new int[top], new float[top]);
    }

    private final LinkedBlockingQueue<Work> submitted = new LinkedBlockingQueue<>();
    private final Map<String, Work> live = new ConcurrentHashMap<>();
    private final List<String> aborted = new CopyOnWriteArrayList<>();
    private final Map<String, RequestStats> told = new ConcurrentHashMap<>();
    /** Requests that it still takes before its queue is full. */
    final AtomicInteger room = new AtomicInteger(Integer.MAX_VALUE);

    /** What it throws instead of taking a request; null takes. */
    volatile @Nullable RuntimeException refusal;

    /** How often it was told to forget its prefixes. */
    final AtomicInteger resets = new AtomicInteger();

    /** The next request in the order of submission; waits for it. */
    Work next() throws InterruptedException {
        Work work = submitted.poll(10, TimeUnit.SECONDS);
        if (work == null) {
            throw new AssertionError("no request has reached the engine within 10 s");
        }
        return work;
    }

    void finish(Work work) {
        if (live.remove(work.request.id()) != null) {
            end(work, FinishReason.LENGTH);
        }
    }

    void fail(Work work, FailureKind kind, String message) {
        if (live.remove(work.request.id()) != null) {
            work.events.accept(new EngineEvent.Failed(work.request.id(), message, true, kind));
        }
    }

    private static void end(Work work, FinishReason reason) {
        Request request = work.request;
        long now = System.nanoTime();
        Timing timing = new Timing(request.arrivalNanos(), now, now, now, 0);
        work.events.accept(
                new Finished(request.id(), reason, -1, request.prompt().length, 0, work.generated.get(), timing));
    }

    /** Requests that neither ended nor were aborted. */
    int live() {
        return live.size();
    }

    List<String> aborted() {
        return aborted;
    }

    @Override
    public void submit(List<Job> jobs) {
        RuntimeException refused = refusal;
        if (refused != null) {
            throw refused;
        }
        if (room.addAndGet(-jobs.size()) < 0) {
            throw new QueueFullException(7, 7, 3);
        }
        for (Job job : jobs) {
            Work work = new Work(job.request(), job.events());
            live.put(job.request().id(), work);
            submitted.add(work);
        }
    }

    @Override
    public void abort(String requestId) {
        Work work = live.remove(requestId);
        if (work != null) {
            aborted.add(requestId);
            end(work, FinishReason.ABORT);
        }
    }

    @Override
    public CompletableFuture<Void> drain() {
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public CompletableFuture<Void> resetPrefixCache() {
        resets.incrementAndGet();
        return CompletableFuture.completedFuture(null);
    }

    /** From now on this is told of the request. */
    void stats(RequestStats stats) {
        told.put(stats.id(), stats);
    }

    @Override
    public List<RequestStats> requests() {
        return List.copyOf(told.values());
    }

    @Override
    public EngineStats stats() {
        return new EngineStats(live.size(), 3, 100, 75, 16, 10, 5, 2, 20, 30, 40, true);
    }

    @Override
    public void close() {
        live.keySet().forEach(this::abort);
    }
}
