package dev.apus.scheduler;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** Keeps the events of a request and checks their order. */
final class Recorder implements Consumer<EngineEvent> {
    private final List<EngineEvent> events = new ArrayList<>();
    private final CompletableFuture<EngineEvent> end = new CompletableFuture<>();
    private final CompletableFuture<EngineEvent> firstToken = new CompletableFuture<>();

    @Override
    public synchronized void accept(EngineEvent event) {
        if (end.isDone()) {
            throw new AssertionError(event + " came after the end");
        }
        events.add(event);
        notifyAll();
        if (event instanceof EngineEvent.Tokens) {
            firstToken.complete(event);
        }
        if (event instanceof EngineEvent.Finished || event instanceof EngineEvent.Failed) {
            firstToken.complete(event);
            end.complete(event);
        }
    }

    synchronized List<EngineEvent> events() {
        return List.copyOf(events);
    }

    int[] tokens() {
        return events().stream()
                .filter(EngineEvent.Tokens.class::isInstance)
                .flatMapToInt(e -> java.util.Arrays.stream(((EngineEvent.Tokens) e).ids()))
                .toArray();
    }

    EngineEvent end() {
        return end.orTimeout(20, TimeUnit.SECONDS).join();
    }

    void awaitFirstToken() {
        firstToken.orTimeout(20, TimeUnit.SECONDS).join();
    }

    /** Waits for at least so many tokens, up to 20 seconds; the caller asserts. */
    synchronized void awaitTokens(int count) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        try {
            while (tokens().length < count && System.nanoTime() < end) {
                TimeUnit.MILLISECONDS.timedWait(this, 100);
            }
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted while waiting for tokens", e);
        }
    }

    boolean isDone() {
        return end.isDone();
    }

    EngineEvent.Finished finished() {
        EngineEvent event = end();
        if (event instanceof EngineEvent.Finished finished) {
            return finished;
        }
        throw new AssertionError("did not finish but: " + event);
    }

    EngineEvent.Failed failed() {
        EngineEvent event = end();
        if (event instanceof EngineEvent.Failed failed) {
            return failed;
        }
        throw new AssertionError("did not fail but: " + event);
    }
}
