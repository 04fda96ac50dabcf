package dev.apus.scheduler.pooling;

import dev.apus.models.Pooling;
import org.jspecify.annotations.Nullable;

/**
 * What an operator wants of a model's pooling.
 *
 * @param runner what the model is served for
 * @param pooling instead of the model's own; null keeps that
 * @param normalise instead of the model's own; null keeps that
 */
public record PoolingOptions(
        Runner runner, @Nullable Pooling pooling, @Nullable Boolean normalise) {
    /** vLLM's {@code --runner}. */
    public enum Runner {
        /** An encoder pools; a decoder generates and pools. */
        AUTO,
        /** Generates only. */
        GENERATE,
        /** Pools only. */
        POOLING
    }

    /** The model's own. */
    public static PoolingOptions defaults() {
        return new PoolingOptions(Runner.AUTO, null, null);
    }
}
