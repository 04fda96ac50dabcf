package dev.apus.server.http;

import dev.apus.scheduler.Request;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** What a request for text asks of the engine, and what has come of it: written by the connection's event loop, read by any thread. */
final class Generating {
    private final List<Request> requests = new CopyOnWriteArrayList<>();
    private volatile long generated;
    private volatile int ended;
    private volatile long firstNanos;

    /** Before the engine is asked. */
    void add(Request request) {
        requests.add(request);
    }

    // One thread writes, so that nothing is lost between the read and the write.
    @SuppressWarnings("NonAtomicVolatileUpdate")
    void generated(int tokens) {
        if (generated == 0) {
            firstNanos = System.nanoTime();
        }
        generated += tokens;
    }

    /** So many of its sequences have ended. */
    void ended(int sequences) {
        ended = sequences;
    }

    /** What the engine was asked for: a sequence each. */
    List<Request> requests() {
        return requests;
    }

    /** Tokens of all sequences that have come. */
    long generated() {
        return generated;
    }

    /** Whether the engine is done with it. */
    boolean isDone() {
        return ended == requests.size();
    }

    /** Tokens a second since the first, or 0 while there is only that. */
    double tokensPerSecond(long now) {
        long since = now - firstNanos;
        return generated > 1 && since > 0 ? (generated - 1) / (since * 1e-9) : 0;
    }
}
