package dev.apus.scheduler.pooling;

import dev.apus.scheduler.DeadlineException;
import dev.apus.scheduler.GenerationException;
import dev.apus.scheduler.QueueFullException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Batches sequences up to a budget of tokens, without padding and fairly between tenants, and computes one batch a turn. Where the turns are
 * a generating engine's, batches and steps alternate: neither starves the other.
 */
public final class PoolingEngine implements Pooler {
    private static final Logger LOG = LoggerFactory.getLogger(PoolingEngine.class);
    /** What Retry-After says at least and at most: the queue is seconds long. */
    private static final int RETRY_SECONDS = 1;

    private static final int MOST_RETRY_SECONDS = 60;
    private static final double NANOS_PER_MILLI = 1e6;
    private static final double NANOS_PER_SECOND = 1e9;

    private final PoolingInfo info;
    private final PoolingRunner runner;
    private final Turns turns;
    private final int maxWaiting;
    private final long maxQueuedTokens;
    private final LongSupplier clock;
    private final Object lock = new Object();
    private final FairQueue queue = new FairQueue();
    private final PoolingPace pace = new PoolingPace();
    private final Turns.Turn turn = new Turns.Turn() {
        @Override
        public void run() {
            computeBatch();
        }

        @Override
        public void lost() {
            end("the engine has ended");
        }
    };
    private boolean turnAsked;
    private boolean closed;
    private volatile PoolingStats stats = new PoolingStats(0, 0, 0, 0, 0);

    /**
     * @param runner takes sequences of {@code info.maxTokens()} at least
     * @param maxWaiting most sequences in the queue
     * @param maxQueuedTokens most tokens in the queue, but for a request that finds none there; 0 means no limit
     */
    public PoolingEngine(PoolingInfo info, PoolingRunner runner, Turns turns, int maxWaiting, long maxQueuedTokens) {
        this(info, runner, turns, maxWaiting, maxQueuedTokens, System::nanoTime);
    }

    /** The same by another clock than the system's, for tests. */
    PoolingEngine(
            PoolingInfo info,
            PoolingRunner runner,
            Turns turns,
            int maxWaiting,
            long maxQueuedTokens,
            LongSupplier clock) {
        if (info.maxTokens() > runner.maxTokens()) {
            throw new IllegalArgumentException("sequences of " + info.maxTokens() + " tokens, batches of "
                    + runner.maxTokens() + "; a batch must hold the longest sequence");
        }
        this.info = info;
        this.runner = runner;
        this.turns = turns;
        this.maxWaiting = maxWaiting;
        this.maxQueuedTokens = maxQueuedTokens;
        this.clock = clock;
    }

    @Override
    public PoolingInfo info() {
        return info;
    }

    @Override
    public PoolingStats stats() {
        return stats;
    }

    @Override
    public List<CompletableFuture<float[][]>> submit(List<PoolingRequest> requests, long deadlineNanos) {
        requests.forEach(this::check);
        List<CompletableFuture<float[][]>> results = new ArrayList<>(requests.size());
        boolean ask;
        synchronized (lock) {
            if (closed) {
                throw new IllegalStateException("the engine is closed and takes no more requests");
            }
            if (requests.size() > maxWaiting) {
                throw new IllegalArgumentException("the request has " + requests.size() + " inputs, at most "
                        + maxWaiting + " are ever taken; send them in parts");
            }
            if (queue.size() + requests.size() > maxWaiting) {
                throw new QueueFullException(queue.size(), maxWaiting, RETRY_SECONDS);
            }
            admit(requests, deadlineNanos);
            for (PoolingRequest request : requests) {
                CompletableFuture<float[][]> result = new CompletableFuture<>();
                results.add(result);
                queue.add(new FairQueue.Entry(request, result));
            }
            stats = new PoolingStats(
                    stats.sequences(), stats.tokens(), stats.batches(), stats.failures(), queue.size());
            ask = !turnAsked && queue.size() > 0;
            if (ask) {
                pace.begin(clock.getAsLong());
            }
            turnAsked |= ask;
        }
        if (ask) {
            turns.next(turn);
        }
        return results;
    }

    /** Refuses what is too much or would be too late; nothing is too late that has nothing before it, or while no batches have been seen. */
    private void admit(List<PoolingRequest> requests, long deadlineNanos) {
        long tokens =
                requests.stream().mapToLong(request -> request.ids().length).sum();
        if (maxQueuedTokens > 0 && queue.tokens() > 0 && queue.tokens() + tokens > maxQueuedTokens) {
            double excess = queue.tokens() + tokens - maxQueuedTokens;
            throw new QueueFullException(
                    QueueFullException.Limit.TOKENS,
                    queue.tokens() + " tokens are queued, " + tokens + " more are beyond the limit of "
                            + maxQueuedTokens,
                    retryAfter(pace.nanos(excess)));
        }
        if (deadlineNanos <= 0 || requests.isEmpty()) {
            return;
        }
        double before = queue.tokensBefore(requests.getFirst().tenant());
        double predicted = pace.nanos(before + tokens);
        if (before > 0 && predicted > deadlineNanos) {
            throw new DeadlineException(
                    "the answer",
                    Math.round(predicted / NANOS_PER_MILLI),
                    Math.round(deadlineNanos / NANOS_PER_MILLI),
                    retryAfter(predicted - deadlineNanos));
        }
    }

    private static int retryAfter(double nanos) {
        return (int) Math.clamp(Math.ceil(nanos / NANOS_PER_SECOND), RETRY_SECONDS, MOST_RETRY_SECONDS);
    }

    private void check(PoolingRequest request) {
        if (request.ids().length > info.maxTokens()) {
            throw new IllegalArgumentException(
                    "an input has " + request.ids().length + " tokens, at most " + info.maxTokens() + " are allowed");
        }
        for (int id : request.ids()) {
            if (id < 0 || id >= info.vocabSize()) {
                throw new IllegalArgumentException(
                        "token id " + id + " is outside the vocabulary of " + info.vocabSize());
            }
        }
        if (request.task() == PoolingTask.CLASSIFY && info.head() == null) {
            throw new IllegalArgumentException("the model has no classifier");
        }
    }

    /** A turn: one batch, and another turn if more is queued. */
    private void computeBatch() {
        List<FairQueue.Entry> batch = new ArrayList<>();
        int tokens = 0;
        boolean more;
        synchronized (lock) {
            while (batch.size() < runner.maxSequences()) {
                FairQueue.Entry entry = queue.poll(runner.maxTokens() - tokens);
                if (entry == null) {
                    break;
                }
                batch.add(entry);
                tokens += entry.request().ids().length;
            }
        }
        int failed = batch.isEmpty() ? 0 : run(batch);
        synchronized (lock) {
            stats = new PoolingStats(
                    stats.sequences() + batch.size(),
                    stats.tokens() + tokens,
                    stats.batches() + (batch.isEmpty() ? 0 : 1),
                    stats.failures() + failed,
                    queue.size());
            if (!batch.isEmpty()) {
                pace.batch(tokens, clock.getAsLong());
            }
            more = queue.size() > 0;
            turnAsked = more;
        }
        if (more) {
            turns.next(turn);
        }
    }

    /** Computes a batch; one that throws is computed again sequence by sequence, so that only the culprit suffers. */
    private int run(List<FairQueue.Entry> batch) {
        try {
            List<float[][]> rows =
                    runner.run(batch.stream().map(FairQueue.Entry::request).toList());
            for (int i = 0; i < rows.size(); i++) {
                batch.get(i).result().complete(rows.get(i));
            }
            return 0;
        } catch (RuntimeException | Error e) {
            if (batch.size() > 1) {
                LOG.warn("a batch of {} sequences failed; running each alone", batch.size(), e);
                return batch.stream().mapToInt(entry -> run(List.of(entry))).sum();
            }
            LOG.error(
                    "a sequence of {} tokens failed", batch.getFirst().request().ids().length, e);
            batch.getFirst()
                    .result()
                    .completeExceptionally(new GenerationException("the model failed on this input: " + e, true));
            return 1;
        }
    }

    @Override
    public void close() {
        end("the engine is closed");
    }

    private void end(String why) {
        List<FairQueue.Entry> left = new ArrayList<>();
        synchronized (lock) {
            closed = true;
            FairQueue.@Nullable Entry entry = queue.poll(Integer.MAX_VALUE);
            while (entry != null) {
                left.add(entry);
                entry = queue.poll(Integer.MAX_VALUE);
            }
        }
        left.forEach(entry -> entry.result().completeExceptionally(new GenerationException(why, true)));
    }
}
