package dev.apus.server.http;

import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/** The requests for text that are not answered yet, from their heads on: what a stop waits for. Thread-safe. */
final class InFlight {
    private final Set<Exchange> exchanges = ConcurrentHashMap.newKeySet();
    private final CompletableFuture<Void> drained = new CompletableFuture<>();
    private volatile boolean draining;

    /** Counts a request until {@link #leave}; false if no more are taken. */
    boolean enter(Exchange exchange) {
        // Counted before it is asked: a drain either sees it or is seen by it.
        exchanges.add(exchange);
        if (draining) {
            leave(exchange);
            return false;
        }
        return true;
    }

    /** The last byte of its answer has left, or never will. */
    void leave(Exchange exchange) {
        exchanges.remove(exchange);
        completeIfDrained();
    }

    /** From now on none are taken, and {@link #drained} completes when none is in flight. */
    void drain() {
        draining = true;
        completeIfDrained();
    }

    boolean isDraining() {
        return draining;
    }

    CompletableFuture<Void> drained() {
        return drained;
    }

    /** Ends all that are in flight: those that generate as aborted, the others with a refusal. */
    void abortAll() {
        exchanges.forEach(Exchange::abort);
    }

    private void completeIfDrained() {
        if (draining && exchanges.isEmpty()) {
            drained.complete(null);
        }
    }
}
