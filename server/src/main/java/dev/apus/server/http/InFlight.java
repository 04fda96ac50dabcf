package dev.apus.server.http;

import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/** The requests for text that are not answered yet. Thread-safe. */
final class InFlight {
    private final Set<GenerationCall> calls = ConcurrentHashMap.newKeySet();
    private final CompletableFuture<Void> drained = new CompletableFuture<>();
    private volatile boolean draining;

    void add(GenerationCall call) {
        calls.add(call);
    }

    void remove(GenerationCall call) {
        calls.remove(call);
        completeIfDrained();
    }

    /** From now on {@link #drained} completes when nothing is in flight. */
    void drain() {
        draining = true;
        completeIfDrained();
    }

    CompletableFuture<Void> drained() {
        return drained;
    }

    void abortAll() {
        calls.forEach(GenerationCall::abortAll);
    }

    private void completeIfDrained() {
        if (draining && calls.isEmpty()) {
            drained.complete(null);
        }
    }
}
