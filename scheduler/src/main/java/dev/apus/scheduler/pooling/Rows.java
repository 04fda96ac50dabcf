package dev.apus.scheduler.pooling;

import dev.apus.kernels.Backend;
import dev.apus.kernels.Tensor;
import dev.apus.models.Pooling;
import java.util.Arrays;

/** Brings hidden states from a backend and pools them; the buffer is reused. */
final class Rows {
    private final Backend backend;
    private final Pooling pooling;
    private final int width;
    private final float[] buffer;

    Rows(Backend backend, Pooling pooling, int width, int maxTokens) {
        this.backend = backend;
        this.pooling = pooling;
        this.width = width;
        buffer = new float[Math.multiplyExact(width, maxTokens)];
    }

    /** Rows {@code first} to {@code first + tokens} of the hidden states, pooled or each for itself. */
    float[][] of(Tensor states, int first, int tokens, boolean pooled) {
        backend.read(states, first, tokens, buffer);
        if (pooled) {
            return new float[][] {pooling.pool(buffer, tokens, width)};
        }
        float[][] rows = new float[tokens][];
        for (int t = 0; t < tokens; t++) {
            rows[t] = Arrays.copyOfRange(buffer, t * width, (t + 1) * width);
        }
        return rows;
    }
}
