package dev.apus.kernels.cuda;

import dev.apus.kernels.Activation;
import dev.apus.kernels.AttentionShape;

/**
 * What a model's kernels are launched with.
 *
 * @param name of the model
 * @param layers of attention
 * @param denseLayers those of them with a plain feed-forward part; mixtures of experts are not timed
 * @param hidden width of the residual stream
 * @param intermediate inner width of the feed-forward part
 * @param gated whether that has a gate
 * @param activation of the gate, or of the inner values
 * @param layerNorm LayerNorm, else RMSNorm
 * @param attention heads, their size, window and cap
 * @param headNorms whether each head of queries and keys has an RMS norm
 * @param rotaryDim leading elements of a head that are rotated, 0 for none
 * @param vocab width of the logits
 */
public record KernelShapes(
        String name,
        int layers,
        int denseLayers,
        int hidden,
        int intermediate,
        boolean gated,
        Activation activation,
        boolean layerNorm,
        AttentionShape attention,
        boolean headNorms,
        int rotaryDim,
        int vocab) {
    /** Qwen3-8B. */
    public static KernelShapes qwen3() {
        return new KernelShapes(
                "Qwen3-8B",
                36,
                36,
                4096,
                12288,
                true,
                Activation.SILU,
                false,
                new AttentionShape(32, 8, 128, (float) (1 / Math.sqrt(128)), 0, 0),
                true,
                128,
                151_936);
    }

    /** Columns of the attention's output. */
    int queryWidth() {
        return attention.heads() * attention.headDim();
    }

    /** Columns of queries, keys and values together. */
    int qkvWidth() {
        return queryWidth() + 2 * attention.kvHeads() * attention.headDim();
    }

    /** Keys that a token at a position sees. */
    int seen(int position) {
        int window = attention.slidingWindow();
        return window == 0 ? position + 1 : Math.min(window, position + 1);
    }
}
