package dev.apus.server.http;

import dev.apus.scheduler.DeadlineException;
import dev.apus.scheduler.Engine;
import dev.apus.scheduler.EngineEvent;
import dev.apus.scheduler.EngineEvent.FailureKind;
import dev.apus.scheduler.EngineStats;
import dev.apus.scheduler.QueueFullException;
import dev.apus.scheduler.TenantStats;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/** An engine of which a test sees what it has taken and what became of that. */
final class WatchedEngine implements Engine {
    private final Engine engine;
    /** Requests that were taken. */
    final AtomicInteger taken = new AtomicInteger();
    /** Requests that came to their own end. */
    final AtomicInteger finished = new AtomicInteger();

    final AtomicInteger aborted = new AtomicInteger();
    final AtomicInteger expired = new AtomicInteger();
    final AtomicInteger failed = new AtomicInteger();
    /** Nanoseconds from a request's arrival to its first token. */
    final Map<String, Long> firstTokens = new ConcurrentHashMap<>();

    /** Nanoseconds from a request's arrival to its refusal. */
    final Queue<Long> refused = new ConcurrentLinkedQueue<>();

    WatchedEngine(Engine engine) {
        this.engine = engine;
    }

    @Override
    public void submit(List<Job> jobs) {
        List<Job> watched = jobs.stream()
                .map(job -> new Job(job.request(), event -> {
                    watch(job, event);
                    job.events().accept(event);
                }))
                .toList();
        try {
            engine.submit(watched);
            taken.addAndGet(jobs.size());
        } catch (DeadlineException | QueueFullException e) {
            refused.add(System.nanoTime() - jobs.getFirst().request().arrivalNanos());
            throw e;
        }
    }

    private void watch(Job job, EngineEvent event) {
        switch (event) {
            case EngineEvent.Tokens tokens ->
                firstTokens.putIfAbsent(
                        job.request().id(), System.nanoTime() - job.request().arrivalNanos());
            case EngineEvent.Finished end ->
                (end.reason() == EngineEvent.FinishReason.ABORT ? aborted : finished).incrementAndGet();
            case EngineEvent.Failed end ->
                (end.kind() == FailureKind.QUEUE_EXPIRED ? expired : failed).incrementAndGet();
            case EngineEvent.PromptLogprobs logprobs -> {}
        }
    }

    /** Requests whose first token came within so many milliseconds. */
    long within(long millis) {
        return firstTokens.values().stream()
                .filter(nanos -> nanos <= millis * 1_000_000)
                .count();
    }

    @Override
    public void abort(String requestId) {
        engine.abort(requestId);
    }

    @Override
    public CompletableFuture<Void> drain() {
        return engine.drain();
    }

    @Override
    public CompletableFuture<Void> drain(Duration deadline) {
        return engine.drain(deadline);
    }

    @Override
    public EngineStats stats() {
        return engine.stats();
    }

    @Override
    public List<TenantStats> tenants() {
        return engine.tenants();
    }

    @Override
    public void close() {
        engine.close();
    }
}
