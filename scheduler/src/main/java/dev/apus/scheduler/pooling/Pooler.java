package dev.apus.scheduler.pooling;

import java.util.List;
import java.util.concurrent.CompletableFuture;

/** The message-only boundary of what pools sequences: requests in, vectors out. Thread-safe. */
public interface Pooler extends AutoCloseable {
    PoolingInfo info();

    /**
     * Queues sequences, all or none. Each future gets its rows, {@code [1][width]} or {@code [tokens][width]}, on the thread that computes:
     * what depends on it must be light. A future that is cancelled before its sequence is computed takes it out of the queue. The futures
     * fail with {@link dev.apus.scheduler.GenerationException} if the model failed on the sequence or the pooler has ended.
     *
     * @param deadlineNanos within how long from now all are wanted; 0 means no limit
     * @throws dev.apus.scheduler.QueueFullException if the queue has no room for all
     * @throws dev.apus.scheduler.DeadlineException if by prediction the last would be computed past the deadline
     * @throws IllegalArgumentException if one can never run here: too long, unknown token ids, a task that the model has not
     * @throws IllegalStateException if the pooler is closed
     */
    List<CompletableFuture<float[][]>> submit(List<PoolingRequest> requests, long deadlineNanos);

    /** Queues sequences that may take as long as they take. */
    default List<CompletableFuture<float[][]>> submit(List<PoolingRequest> requests) {
        return submit(requests, 0);
    }

    /** A recent snapshot for metrics; cheap. */
    PoolingStats stats();

    /** Fails what is queued and ends its threads. */
    @Override
    void close();
}
