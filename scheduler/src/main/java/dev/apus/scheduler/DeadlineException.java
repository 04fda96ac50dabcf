package dev.apus.scheduler;

import dev.apus.kernels.ApusException;

/** By prediction the request would wait past its deadline: nothing of it was queued. It may be in time after {@link #retryAfterSeconds}. */
public final class DeadlineException extends ApusException {
    private static final long serialVersionUID = 1L;

    private final int retryAfterSeconds;

    /**
     * @param what what would come too late, as "the first token"
     * @param predictedMillis when it would come, from now
     * @param leftMillis when it is wanted, from now
     */
    public DeadlineException(String what, long predictedMillis, long leftMillis, int retryAfterSeconds) {
        super(what + " would come in about " + predictedMillis + " ms, is wanted within "
                + (leftMillis <= 0 ? "a time that has passed" : leftMillis + " ms"));
        this.retryAfterSeconds = retryAfterSeconds;
    }

    /** When fewer requests wait, by prediction. */
    public int retryAfterSeconds() {
        return retryAfterSeconds;
    }
}
