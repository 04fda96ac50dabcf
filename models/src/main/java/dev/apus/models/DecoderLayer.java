package dev.apus.models;

import dev.apus.kernels.Linear;
import dev.apus.kernels.MoeWeights;
import dev.apus.kernels.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The weights of one layer in a backend's memory.
 *
 * @param mlpNorm null where a parallel block has one norm only
 * @param up gate rows, then up rows; up rows only where the MLP has no gate; null in a sparse layer, as is {@code down}
 * @param experts null in a dense layer, as is {@code router}
 */
record DecoderLayer(
        NormWeight attentionNorm,
        Linear qkv,
        @Nullable Tensor queryNorm,
        @Nullable Tensor keyNorm,
        Linear attentionOut,
        @Nullable NormWeight postAttentionNorm,
        @Nullable NormWeight mlpNorm,
        @Nullable Linear up,
        @Nullable Linear down,
        @Nullable NormWeight postMlpNorm,
        @Nullable Linear router,
        @Nullable MoeWeights experts) {
    /** Weight and, for LayerNorm, bias of a norm. */
    record NormWeight(Tensor weight, @Nullable Tensor bias) {}
}
