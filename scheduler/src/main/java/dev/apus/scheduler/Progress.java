package dev.apus.scheduler;

import java.util.concurrent.atomic.AtomicInteger;

/** How far a request is: written by the engine's thread, read by anybody. */
final class Progress {
    private volatile RequestStats.State state = RequestStats.State.WAITING;
    private volatile int cached;
    private volatile int preemptions;
    /** Changes with each step, and is written without a fence. */
    private final AtomicInteger computed = new AtomicInteger();

    /** It runs from now on; {@code cachedAtFirst} tokens of its prompt were found when it first did, {@code found} now. */
    void admitted(int cachedAtFirst, int found) {
        cached = cachedAtFirst;
        computed.setOpaque(found);
        state = RequestStats.State.RUNNING;
    }

    /** It has given its blocks back. */
    void stopped(int times) {
        preemptions = times;
        computed.setOpaque(0);
        state = RequestStats.State.PREEMPTED;
    }

    /** A step of it is read. */
    void computed(int tokens) {
        computed.setOpaque(tokens);
    }

    RequestStats stats(Request request) {
        return new RequestStats(
                request.id(), state, request.prompt().length, cached, computed.getOpaque(), preemptions);
    }
}
