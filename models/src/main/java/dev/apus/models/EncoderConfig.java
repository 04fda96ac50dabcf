package dev.apus.models;

import dev.apus.kernels.Activation;
import dev.apus.kernels.AttentionShape;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The switches of a BERT-class encoder: post-norm layers, bidirectional attention, learned positions (Devlin et al. 2018).
 *
 * @param architecture our name, which messages use
 * @param hidden width of a hidden state
 * @param attention bidirectional
 * @param intermediate width of the feed-forward layer
 * @param eps of every LayerNorm
 * @param positionRows rows of the table of positions
 * @param positionOffset row of a sequence's first token: RoBERTa's tables start behind the padding id
 * @param typeRows rows of the table of token types; 0 if there is none
 * @param head null for a model that ends in hidden states
 */
public record EncoderConfig(
        String architecture,
        int vocabSize,
        int hidden,
        int layers,
        AttentionShape attention,
        int intermediate,
        Activation activation,
        float eps,
        int positionRows,
        int positionOffset,
        int typeRows,
        @Nullable Head head) {
    /** What makes a head's logits into scores. */
    public enum Scoring {
        /** Logits as they are. */
        IDENTITY,
        /** Each logit through the logistic function. */
        SIGMOID,
        /** A distribution over the labels. */
        SOFTMAX
    }

    /**
     * A classifier over the first token's hidden state: dense, non-linearity, dense.
     *
     * @param labels their names, one per logit
     * @param scoring as sentence-transformers and transformers do it by default for such a model
     */
    public record Head(List<String> labels, Scoring scoring) {
        public Head {
            labels = List.copyOf(labels);
        }
    }

    /** Most tokens of a sequence. */
    public int maxTokens() {
        return positionRows - positionOffset;
    }
}
