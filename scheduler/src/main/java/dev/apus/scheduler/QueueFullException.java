package dev.apus.scheduler;

import dev.apus.kernels.ApusException;

/** The waiting queue is at a limit: the client should try again after {@link #retryAfterSeconds}. */
public final class QueueFullException extends ApusException {
    private static final long serialVersionUID = 1L;

    /** What there is too much of. */
    public enum Limit {
        /** Requests. */
        REQUESTS,
        /** Prompt tokens that are to be computed. */
        TOKENS
    }

    private final Limit limit;
    private final int retryAfterSeconds;

    /** Too many requests: so many wait. */
    public QueueFullException(int waiting, int most, int retryAfterSeconds) {
        this(Limit.REQUESTS, waiting + " requests are waiting, the limit is " + most, retryAfterSeconds);
    }

    /** @param message how much there is, and may be */
    public QueueFullException(Limit limit, String message, int retryAfterSeconds) {
        super(message);
        this.limit = limit;
        this.retryAfterSeconds = retryAfterSeconds;
    }

    /** What there is too much of. */
    public Limit limit() {
        return limit;
    }

    public int retryAfterSeconds() {
        return retryAfterSeconds;
    }
}
