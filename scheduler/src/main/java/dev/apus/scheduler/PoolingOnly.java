package dev.apus.scheduler;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** The engine of a model that generates nothing: it refuses requests for text and says why. Thread-safe. */
final class PoolingOnly implements Engine {
    private static final EngineStats NOTHING =
            new EngineStats(0, 0, 0, 0, EngineOptions.BLOCK_SIZE, 0, 0, 0, 0, 0, 0, true);

    private final String name;
    /** On whose turns a decoder's batches run; null for an encoder. */
    private final @Nullable Engine turns;

    PoolingOnly(String name, @Nullable Engine turns) {
        this.name = name;
        this.turns = turns;
    }

    @Override
    public void submit(List<Job> jobs) {
        throw new IllegalArgumentException("the model '" + name + "' is served for embeddings, scores and labels and"
                + " generates no text; ask /v1/embeddings, /rerank, /score, /classify or /pooling");
    }

    @Override
    public void abort(String requestId) {
        // There is none.
    }

    @Override
    public CompletableFuture<Void> drain() {
        return turns == null ? CompletableFuture.completedFuture(null) : turns.drain();
    }

    @Override
    public CompletableFuture<Void> drain(Duration deadline) {
        return turns == null ? drain() : turns.drain(deadline);
    }

    @Override
    public CompletableFuture<Void> resetPrefixCache() {
        return turns == null ? CompletableFuture.completedFuture(null) : turns.resetPrefixCache();
    }

    @Override
    public EngineStats stats() {
        return turns == null ? NOTHING : turns.stats();
    }

    @Override
    public void close() {
        if (turns != null) {
            turns.close();
        }
    }
}
