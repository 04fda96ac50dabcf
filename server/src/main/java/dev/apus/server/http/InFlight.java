package dev.apus.server.http;

import java.util.Comparator;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/** The requests for text that are not answered yet, from their heads on: what a stop waits for. Thread-safe. */
final class InFlight {
    /** What those hear who come meanwhile. */
    static final String PAUSED = "the server is paused by its administrator and takes no requests";

    private final Set<Exchange> exchanges = ConcurrentHashMap.newKeySet();
    private final CompletableFuture<Void> drained = new CompletableFuture<>();
    private final Queue<Runnable> waiting = new ConcurrentLinkedQueue<>();
    private volatile boolean draining;
    private volatile boolean paused;
    private final AtomicInteger abortions = new AtomicInteger();

    /** Counts a request until {@link #leave}; false if no more are taken. */
    boolean enter(Exchange exchange) {
        // Counted before it is asked: a drain either sees it or is seen by it.
        exchanges.add(exchange);
        if (draining || paused) {
            leave(exchange);
            return false;
        }
        return true;
    }

    /** The last byte of its answer has left, or never will. */
    void leave(Exchange exchange) {
        exchanges.remove(exchange);
        completeIfDrained();
        runIfEmpty();
    }

    /** From now on none are taken, and {@link #drained} completes when none is in flight. */
    void drain() {
        draining = true;
        completeIfDrained();
    }

    boolean isDraining() {
        return draining;
    }

    /** None are taken until {@link #resume}; those in flight go on. */
    void pause() {
        paused = true;
    }

    /** Takes requests again; what waits for the last one to end is done now, since under load there is none. */
    void resume() {
        paused = false;
        for (Runnable next = waiting.poll(); next != null; next = waiting.poll()) {
            next.run();
        }
    }

    boolean isPaused() {
        return paused;
    }

    /** Requests in flight. */
    int count() {
        return exchanges.size();
    }

    /** Those that came first, at most so many. */
    List<Exchange> oldest(int most) {
        long now = System.nanoTime();
        return exchanges.stream()
                .sorted(Comparator.comparingLong(exchange -> exchange.arrivalNanos() - now))
                .limit(most)
                .toList();
    }

    /** Runs the action once as soon as none is in flight or {@link #resume} is called, on this thread or the one that sees to that. */
    void whenEmpty(Runnable action) {
        waiting.add(action);
        runIfEmpty();
    }

    CompletableFuture<Void> drained() {
        return drained;
    }

    /** Ends all that are in flight: those that generate as aborted, the others with a refusal. */
    void abortAll() {
        // The last word of an aborted answer must not be taken for its end.
        abortions.incrementAndGet();
        exchanges.forEach(Exchange::abort);
    }

    /** Ends those that have one of these ids, as {@link #abortAll} does; returns their number. */
    int abort(Set<String> requestIds) {
        int aborted = 0;
        for (Exchange exchange : exchanges) {
            if (requestIds.contains(exchange.requestId())) {
                exchange.abort(new ApiException(
                        503, "the request was ended by the administrator", null, "request_aborted", 0));
                aborted++;
            }
        }
        return aborted;
    }

    /** How often all were ended: an answer that came after one more may not be whole. */
    int abortions() {
        return abortions.get();
    }

    private void runIfEmpty() {
        while (exchanges.isEmpty()) {
            Runnable next = waiting.poll();
            if (next == null) {
                return;
            }
            next.run();
        }
    }

    private void completeIfDrained() {
        if (draining && exchanges.isEmpty()) {
            drained.complete(null);
        }
    }
}
