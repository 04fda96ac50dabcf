package dev.apus.models;

/**
 * Tensor names of an encoder family, without {@code .weight} and {@code .bias}; those of a layer behind {@link #layer}.
 *
 * @param prefix what task models have in front of the encoder's names and base models lack
 * @param layer a layer's prefix, {@code {}} for its number
 * @param denseInPrefix whether the head's first matrix has the encoder's prefix
 * @param relu whether the head's non-linearity is ReLU, else tanh
 */
record EncoderNames(
        String prefix,
        String layer,
        String query,
        String key,
        String value,
        String attentionOut,
        String attentionNorm,
        String up,
        String down,
        String outputNorm,
        String headDense,
        boolean denseInPrefix,
        String headOut,
        boolean relu) {
    private static EncoderNames bertLike(String prefix, String headDense, boolean denseInPrefix, String headOut) {
        return new EncoderNames(
                prefix,
                "encoder.layer.{}.",
                "attention.self.query",
                "attention.self.key",
                "attention.self.value",
                "attention.output.dense",
                "attention.output.LayerNorm",
                "intermediate.dense",
                "output.dense",
                "output.LayerNorm",
                headDense,
                denseInPrefix,
                headOut,
                false);
    }

    static EncoderNames bert() {
        return bertLike("bert.", "pooler.dense", true, "classifier");
    }

    static EncoderNames roberta() {
        return bertLike("roberta.", "classifier.dense", false, "classifier.out_proj");
    }

    static EncoderNames distilBert() {
        return new EncoderNames(
                "distilbert.",
                "transformer.layer.{}.",
                "attention.q_lin",
                "attention.k_lin",
                "attention.v_lin",
                "attention.out_lin",
                "sa_layer_norm",
                "ffn.lin1",
                "ffn.lin2",
                "output_layer_norm",
                "pre_classifier",
                false,
                "classifier",
                true);
    }
}
