package dev.apus.scheduler.pooling;

/**
 * What a queued token takes until it is computed, learnt from the batches: from the end of one, or from when there was something to do, to the
 * end of the next, so that the turns of others between them count. Exponentially weighted; not thread-safe.
 */
final class PoolingPace {
    /** Batches that the mean goes over. */
    private static final double BATCHES = 32;
    /** Batches that must have been seen. */
    static final int LEAST_BATCHES = 8;

    private long batches;
    private double meanTokens;
    private double meanNanos;
    private long since;

    /** There is something to do from now on. */
    void begin(long now) {
        since = now;
    }

    /** A batch of so many tokens is done. */
    void batch(int tokens, long now) {
        double weight = Math.max(1 / BATCHES, 1.0 / ++batches);
        meanTokens += weight * (tokens - meanTokens);
        meanNanos += weight * ((double) (now - since) - meanNanos);
        since = now;
    }

    /** How long so many tokens take, in nanoseconds; 0 if not known. */
    double nanos(double tokens) {
        return batches < LEAST_BATCHES ? 0 : tokens * meanNanos / meanTokens;
    }
}
