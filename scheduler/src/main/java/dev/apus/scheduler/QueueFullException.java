package dev.apus.scheduler;

import dev.apus.kernels.ApusException;

/** The waiting queue is at its limit: the client should try again after {@link #retryAfterSeconds}. */
public final class QueueFullException extends ApusException {
    private static final long serialVersionUID = 1L;

    private final int retryAfterSeconds;

    public QueueFullException(int waiting, int limit, int retryAfterSeconds) {
        super(waiting + " requests are waiting, the limit is " + limit);
        this.retryAfterSeconds = retryAfterSeconds;
    }

    public int retryAfterSeconds() {
        return retryAfterSeconds;
    }
}
