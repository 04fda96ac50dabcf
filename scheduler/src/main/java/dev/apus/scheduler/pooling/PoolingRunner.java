package dev.apus.scheduler.pooling;

import java.util.List;

/** Computes batches of whole sequences. Used by one thread at a time. */
public interface PoolingRunner {
    /** Most tokens of a batch. */
    int maxTokens();

    /** Most sequences of a batch. */
    int maxSequences();

    /** The rows of each sequence, in order; together they have at most {@link #maxTokens} tokens. */
    List<float[][]> run(List<PoolingRequest> batch);
}
