package dev.apus.models;

import dev.apus.kernels.Linear;
import dev.apus.kernels.MoeWeights;
import dev.apus.kernels.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The weights of one layer in a backend's memory.
 *
 * @param attentionNorm null where the norms stand behind their blocks, as is {@code mlpNorm}
 * @param mlpNorm null where a parallel block has one norm only
 * @param up gate rows, then up rows; up rows only where the MLP has no gate; null in a sparse layer, as is {@code down}
 * @param experts null in a dense layer, as is {@code router}
 */
record DecoderLayer(
        @Nullable NormWeight attentionNorm,
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
        @Nullable MoeWeights experts,
        @Nullable SharedExpert shared) {
    /**
     * The expert that every token of a sparse layer goes through.
     *
     * @param up gate rows, then up rows
     * @param gate {@code [1, hidden]}: how much of its output counts, through a sigmoid
     */
    record SharedExpert(Linear up, Linear down, Linear gate) {}

    /** Weight and, for LayerNorm, bias of a norm. */
    record NormWeight(Tensor weight, @Nullable Tensor bias) {}
}
