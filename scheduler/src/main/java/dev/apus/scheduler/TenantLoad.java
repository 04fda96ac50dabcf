package dev.apus.scheduler;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * What a tenant has in the engine: requests that wait, and prompt tokens that are to be computed, by priority. Those that submit add, the
 * engine's thread takes away, anybody reads; all of it is atomic, nothing waits.
 *
 * <p>Priorities from {@value #LOWEST} to {@value #HIGHEST} are told apart; those beyond are one class on either side.
 */
final class TenantLoad {
    private static final int LOWEST = -16;
    private static final int HIGHEST = 16;
    private static final int CLASSES = HIGHEST - LOWEST + 3;
    /** Behind the tokens of each class, then its requests: the sums. */
    private static final int TOKENS = 2 * CLASSES;

    private static final int WAITING = TOKENS + 1;
    private static final int RUNNING = WAITING + 1;
    private static final int BEGUN_TOKENS = RUNNING + 1;
    private static final int IN_FLIGHT = BEGUN_TOKENS + 1;

    /** That of the last request. */
    volatile double weight;

    private final AtomicLongArray counts = new AtomicLongArray(IN_FLIGHT + 1);

    TenantLoad(double weight) {
        this.weight = weight;
    }

    private static int classOf(int priority) {
        return Math.clamp(priority, LOWEST - 1, HIGHEST + 1) - LOWEST + 1;
    }

    /** A request waits. */
    void enqueue(int priority, int tokens) {
        int at = classOf(priority);
        counts.addAndGet(at, tokens);
        counts.incrementAndGet(CLASSES + at);
        counts.addAndGet(TOKENS, tokens);
        counts.incrementAndGet(WAITING);
        counts.incrementAndGet(IN_FLIGHT);
    }

    /** A request waits no more: it runs, with what is left of its prompt, or it is gone. */
    void dequeue(int priority, int tokens, boolean runs) {
        int at = classOf(priority);
        counts.addAndGet(at, -tokens);
        counts.decrementAndGet(CLASSES + at);
        counts.decrementAndGet(WAITING);
        if (runs) {
            counts.incrementAndGet(RUNNING);
            counts.addAndGet(BEGUN_TOKENS, tokens);
        } else {
            counts.addAndGet(TOKENS, -tokens);
        }
    }

    /** Tokens of a prompt that runs are computed, or never will be. */
    void computed(int tokens) {
        counts.addAndGet(BEGUN_TOKENS, -tokens);
        counts.addAndGet(TOKENS, -tokens);
    }

    /** A request that ran does not. */
    void stopped() {
        counts.decrementAndGet(RUNNING);
    }

    /** A request has left; returns how many are still here. */
    long left() {
        return counts.decrementAndGet(IN_FLIGHT);
    }

    /** Prompt tokens that are to be computed, of all requests. */
    long tokens() {
        return Math.max(0, counts.getOpaque(TOKENS));
    }

    /** Requests that wait. */
    long waiting() {
        return Math.max(0, counts.getOpaque(WAITING));
    }

    /** Requests that run. */
    long running() {
        return Math.max(0, counts.getOpaque(RUNNING));
    }

    /**
     * Prompt tokens before those of a new request of this priority: of prompts that run, and of waiting ones that certainly go first, so
     * none of its own class where that has several priorities.
     */
    long tokensBefore(int priority) {
        return Math.max(0, counts.getOpaque(BEGUN_TOKENS) + sumBefore(0, classOf(priority)));
    }

    /** Waiting requests that certainly go before a new one of this priority. */
    long waitingBefore(int priority) {
        return Math.max(0, sumBefore(CLASSES, classOf(priority)));
    }

    private long sumBefore(int from, int own) {
        int end = own == 0 || own == CLASSES - 1 ? own : own + 1;
        long sum = 0;
        for (int i = 0; i < end; i++) {
            sum += counts.getOpaque(from + i);
        }
        return sum;
    }
}
