package dev.apus.models;

import dev.apus.kernels.Activation;
import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.MoeShape;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The switches of the decoder: what an architecture and a config.json (or GGUF metadata) say about a model.
 *
 * <p>Made by an {@link Architecture} through {@link Checkpoint}; consistent by then, so code that reads it checks nothing again.
 *
 * @param architecture name in {@link Architectures}
 * @param vocabSize rows of the embedding and width of the logits
 * @param hidden width of the residual stream
 * @param maxPositions most positions that the model was made for
 * @param layers one entry per layer; all have the same heads and head size
 * @param norm the norms of the residual stream
 * @param placement where the norms stand
 * @param qkNorm how queries and keys are RMS-normalised
 * @param mlp the dense feed-forward layers
 * @param experts the sparse feed-forward layers, or null if there are none
 * @param sharedExpert inner width of the expert behind a sigmoid gate that all tokens of sparse layers go through too, 0 for none
 *     (Qwen2-MoE)
 * @param ropes rotary embeddings that layers refer to
 * @param learnedPositions whether a table of positions is added to the embeddings (GPT-2)
 * @param scalars constant factors
 * @param tiedHead whether the embedding serves as the output head too
 * @param biases layers that must have a bias; one that is in the checkpoint is used in any case
 * @param weights how the checkpoint names and lays out the tensors
 */
public record DecoderConfig(
        String architecture,
        int vocabSize,
        int hidden,
        int maxPositions,
        List<Layer> layers,
        Norm norm,
        Placement placement,
        QkNorm qkNorm,
        Mlp mlp,
        @Nullable MoeShape experts,
        int sharedExpert,
        List<Rope> ropes,
        boolean learnedPositions,
        Scalars scalars,
        boolean tiedHead,
        Biases biases,
        WeightLayout weights) {
    public DecoderConfig {
        layers = List.copyOf(layers);
        ropes = List.copyOf(ropes);
    }

    /**
     * One layer.
     *
     * @param attention heads, scale, window, cap
     * @param rope index of its rotary embedding in {@link #ropes}, -1 for none (NoPE)
     * @param sparse whether its feed-forward part is a mixture of experts
     */
    public record Layer(AttentionShape attention, int rope, boolean sparse) {}

    /**
     * The norms of the residual stream.
     *
     * @param layerNorm LayerNorm, else RMSNorm
     * @param eps added to the variance or mean square
     * @param weightless the checkpoint has no weights for them: all 1 (OLMo)
     */
    public record Norm(boolean layerNorm, float eps, boolean weightless) {}

    /** How queries and keys are RMS-normalised. */
    public enum QkNorm {
        NONE,
        /** Each head, before rotation: Qwen 3, Gemma 3. */
        HEAD,
        /** Each head, after rotation: HunYuan. */
        HEAD_AFTER_ROPE,
        /** All heads together, before rotation: OLMo 2, OLMoE. */
        ALL_HEADS
    }

    /** Where the norms stand in a layer. */
    public enum Placement {
        /** {@code x += attn(norm(x)); x += mlp(norm(x))}. */
        PRE,
        /** {@code x += norm(attn(norm(x))); x += norm(mlp(norm(x)))}: Gemma 2 and 3, GLM-4-0414. */
        SANDWICH,
        /** {@code x += norm(attn(x)); x += norm(mlp(x))}: OLMo 2 and 3, EXAONE 4. */
        POST,
        /** {@code x += attn(norm(x)) + mlp(norm(x))} with one norm: Phi, Cohere. */
        PARALLEL,
        /** The same with a norm each: GPT-NeoX. */
        PARALLEL_TWO_NORMS;

        /** Whether attention and MLP read the same residual stream. */
        boolean parallel() {
            return this == PARALLEL || this == PARALLEL_TWO_NORMS;
        }

        /** Whether norms stand behind attention and MLP. */
        boolean post() {
            return this == SANDWICH || this == POST;
        }
    }

    /**
     * Dense feed-forward layers.
     *
     * @param intermediate inner width
     * @param gated {@code down(act(gate(x)) * up(x))}, else {@code down(act(up(x)))}
     * @param activation of the gate, or of the inner values
     */
    public record Mlp(int intermediate, boolean gated, Activation activation) {}

    /**
     * A rotary embedding.
     *
     * @param dim leading elements of a head that are rotated
     * @param interleaved pairs are (2i, 2i+1), else (i, i + dim/2)
     * @param theta base of the frequencies
     * @param scaling how the frequencies are stretched
     */
    public record Rope(int dim, boolean interleaved, double theta, RopeScaling scaling) {}

    /**
     * Constant factors.
     *
     * @param embedding on embeddings (Gemma: sqrt(hidden))
     * @param residual on what attention and MLP add to the residual stream (Granite)
     * @param logits on logits (Granite, Cohere)
     * @param finalSoftCap logits become {@code cap * tanh(logits / cap)}; 0 for none (Gemma 2)
     */
    public record Scalars(float embedding, float residual, float logits, float finalSoftCap) {}

    /** Layers that must have a bias: queries, keys and values; the attention's output; the MLP; the head. */
    public record Biases(boolean qkv, boolean attentionOut, boolean mlp, boolean head) {}

    /** Order of the rows of a fused query-key-value weight. */
    public enum QkvOrder {
        /** All query heads, all key heads, all value heads. */
        STACKED,
        /** Per kv head: its query heads, its key, its value (InternLM2; GPT-NeoX with one query head each). */
        GROUPED
    }

    /**
     * How the checkpoint holds the tensors.
     *
     * @param names from roles to names
     * @param qkv order of a fused projection
     * @param transposed linear weights are {@code [in, out]} (GPT-2's Conv1D)
     * @param normsPlusOne the file holds w of a norm by 1 + w (Gemma's safetensors)
     */
    public record WeightLayout(TensorNames names, QkvOrder qkv, boolean transposed, boolean normsPlusOne) {}

    /** The attention geometry that all layers share, but for windows. */
    public AttentionShape attention() {
        return layers.getFirst().attention();
    }

    /** Most tokens of a sequence that LongRoPE rotates by its short factors; 0 if all sequences are rotated alike. */
    public int shortContext() {
        for (Rope rope : ropes) {
            if (rope.scaling() instanceof RopeScaling.LongRope l && l.originalPositions() < maxPositions) {
                return l.originalPositions();
            }
        }
        return 0;
    }

    /** Rows of the fused query-key-value projection. */
    public int qkvWidth() {
        AttentionShape a = attention();
        return (a.heads() + 2 * a.kvHeads()) * a.headDim();
    }

    /** The same model with other rotary embeddings. */
    DecoderConfig withRopes(List<Rope> other) {
        return new DecoderConfig(
                architecture,
                vocabSize,
                hidden,
                maxPositions,
                layers,
                norm,
                placement,
                qkNorm,
                mlp,
                experts,
                sharedExpert,
                other,
                learnedPositions,
                scalars,
                tiedHead,
                biases,
                weights);
    }
}
