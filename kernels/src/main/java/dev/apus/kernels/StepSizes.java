package dev.apus.kernels;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The largest step of a model: what a backend takes of its memory beside weights, activations and KV blocks depends on it.
 *
 * @param tokens most tokens of a step
 * @param sequences most sequences of a step
 * @param logitRows most rows of logits of a step
 * @param length most tokens of a sequence
 * @param vocab width of the logits
 * @param hidden width of the residual stream
 * @param attention the shapes of the attention layers, each once
 * @param experts routing of the sparse layers; null without any
 * @param sparseLayers layers with experts
 */
public record StepSizes(
        int tokens,
        int sequences,
        int logitRows,
        int length,
        int vocab,
        int hidden,
        List<AttentionShape> attention,
        @Nullable MoeShape experts,
        int sparseLayers) {
    public StepSizes {
        attention = List.copyOf(attention);
        if ((experts == null) != (sparseLayers == 0)) {
            throw new IllegalArgumentException(sparseLayers + " sparse layers with experts " + experts);
        }
    }
}
