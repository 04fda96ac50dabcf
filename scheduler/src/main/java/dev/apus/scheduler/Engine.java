package dev.apus.scheduler;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The message-only boundary of the engine: commands in, events out, no live object crosses it. Thread-safe.
 *
 * <p>It is an interface because the engine may live in this process, in a child process, or be a stub that only emits tokens.
 */
public interface Engine extends AutoCloseable {
    /**
     * A request and who hears of it.
     *
     * @param request what to generate
     * @param events takes its events
     */
    record Job(Request request, Consumer<EngineEvent> events) {}

    /**
     * Queues requests that belong together, all or none. The events of each come in order on one thread of the engine that is not the
     * one that computes: the consumer may do light work (detokenise, write to a queue or a channel), but a consumer that blocks delays
     * the events of all others. A consumer that throws has its request aborted.
     *
     * @throws QueueFullException if the waiting queue has no room for all
     * @throws DeadlineException if the first would be served past its deadline
     * @throws IllegalArgumentException if one can never run here (too long, unknown token ids, an id in flight), or so many at once
     * @throws IllegalStateException if the engine is draining or closed
     */
    void submit(List<Job> jobs);

    /** Queues one request. */
    default void submit(Request request, Consumer<EngineEvent> events) {
        submit(List.of(new Job(request, events)));
    }

    /** Ends a request within one step with {@link EngineEvent.FinishReason#ABORT}; unknown ids are ignored. */
    void abort(String requestId);

    /** Accepts no more requests; completes when all running and queued ones have ended and their events are delivered. */
    CompletableFuture<Void> drain();

    /** As {@link #drain()}, but what still runs when {@code deadline} has passed is aborted. */
    default CompletableFuture<Void> drain(Duration deadline) {
        return drain();
    }

    /** Forgets all prefixes that it has cached; completes when no later request finds one from before. Running requests keep theirs. */
    default CompletableFuture<Void> resetPrefixCache() {
        return CompletableFuture.completedFuture(null);
    }

    /** A recent snapshot for metrics and health; cheap, never waits for the engine. */
    EngineStats stats();

    /** A recent snapshot of the tenants that have or lately had requests; cheap, never waits for the engine. */
    default List<TenantStats> tenants() {
        return List.of();
    }

    /** A recent snapshot of the requests in flight, in no order; never waits for the engine. */
    default List<RequestStats> requests() {
        return List.of();
    }

    /** What of the KV cache's shape is told to those who watch, by vLLM's names of its cache's settings; sizes are in {@link #stats}. */
    default Map<String, String> cacheConfig() {
        return Map.of();
    }

    /** How long blocks of the KV cache live, or null if that is not measured; cheap, never waits for the engine. */
    default @Nullable KvBlockAges kvBlockAges() {
        return null;
    }

    /** Aborts what is left and ends the engine's threads. */
    @Override
    void close();
}
