package dev.apus.models;

import dev.apus.kernels.Activation;
import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.MoeShape;
import dev.apus.loaders.CheckpointException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A {@link DecoderConfig} in the making: starts as Llama would read the file, an {@link Architecture} then sets what differs,
 * {@link #build} checks that it holds together.
 */
final class Switches {
    // Bounds far above any published model: beyond them a file is damaged or hostile, and sizes would overflow.
    private static final int MAX_LAYERS = 1000;
    private static final int MAX_WIDTH = 1 << 18;
    private static final int MAX_HEADS = 1 << 12;
    private static final int MAX_VOCAB = 1 << 23;
    private static final int MAX_POSITIONS = 1 << 28;

    private static final Map<String, Activation> ACTIVATIONS = Map.ofEntries(
            Map.entry("silu", Activation.SILU),
            Map.entry("swish", Activation.SILU),
            Map.entry("gelu", Activation.GELU),
            Map.entry("gelu_new", Activation.GELU_TANH),
            Map.entry("gelu_fast", Activation.GELU_TANH),
            Map.entry("gelu_pytorch_tanh", Activation.GELU_TANH),
            Map.entry("relu", Activation.RELU),
            Map.entry("relu2", Activation.RELU2));

    final ConfigReader keys;
    final boolean gguf;
    final int layers;
    final int hidden;
    final int heads;
    final int kvHeads;
    final int headDim;
    int maxPositions;
    final RopeReader ropeReader;
    private final int vocab;

    int intermediate;
    boolean layerNorm;
    boolean weightlessNorm;
    DecoderConfig.Placement placement = DecoderConfig.Placement.PRE;
    DecoderConfig.QkNorm qkNorm = DecoderConfig.QkNorm.NONE;
    boolean gated = true;
    Activation activation;
    double attentionSoftCap;
    /** Factor on q·k per layer. */
    final double[] attentionScales;
    /** Sliding window per layer, 0 for none. */
    final int[] windows;
    /** Index into {@link #ropes} per layer, -1 for none. */
    final int[] ropeOf;

    final List<DecoderConfig.Rope> ropes = new ArrayList<>();
    final boolean[] sparse;

    @Nullable
    MoeShape experts;

    int sharedExpert;

    boolean learnedPositions;
    double embeddingScale = 1;
    double residualScale = 1;
    double logitScale = 1;
    double finalSoftCap;
    boolean tied;
    boolean qkvBias;
    boolean attentionOutBias;
    boolean mlpBias;
    boolean headBias;
    DecoderConfig.QkvOrder qkvOrder = DecoderConfig.QkvOrder.STACKED;
    boolean transposed;
    boolean normsPlusOne;
    /** ggml's tensor names, changed where llama.cpp calls a tensor otherwise for this architecture. */
    TensorNames ggufNames = TensorNames.gguf();

    /** Reads what all architectures share. */
    Switches(ConfigReader keys, boolean gguf) {
        this.keys = keys;
        this.gguf = gguf;
        layers = keys.integer("num_hidden_layers", 1, MAX_LAYERS);
        hidden = keys.integer("hidden_size", 1, MAX_WIDTH);
        vocab = keys.integer("vocab_size", 1, MAX_VOCAB);
        heads = keys.integer("num_attention_heads", 1, MAX_HEADS);
        kvHeads = keys.integer("num_key_value_heads", 1, MAX_HEADS, heads);
        if (heads % kvHeads != 0) {
            throw keys.fault("num_key_value_heads", "a divisor of num_attention_heads " + heads);
        }
        if (!keys.has("head_dim") && hidden % heads != 0) {
            throw keys.fault(
                    "hidden_size", "a multiple of num_attention_heads " + heads + " where head_dim is not given");
        }
        headDim = keys.integer("head_dim", 1, MAX_HEADS, hidden / heads);
        maxPositions = keys.integer("max_position_embeddings", 1, MAX_POSITIONS);
        intermediate = keys.integer("intermediate_size", 1, MAX_WIDTH * 16, 4 * hidden);
        activation = activation("hidden_act", "silu");
        attentionScales = new double[layers];
        attentionScale(1 / Math.sqrt(headDim));
        tied = keys.flag("tie_word_embeddings", false);
        windows = new int[layers];
        ropeOf = new int[layers];
        sparse = new boolean[layers];
        ropeReader = new RopeReader(keys, headDim, maxPositions);
    }

    /** The activation that {@code key} names. */
    Activation activation(String key, String absent) {
        Activation found = ACTIVATIONS.get(keys.text(key, absent));
        if (found == null) {
            throw keys.fault(
                    key, "one of " + ACTIVATIONS.keySet().stream().sorted().toList());
        }
        return found;
    }

    /** The same factor on q·k in all layers. */
    void attentionScale(double scale) {
        Arrays.fill(attentionScales, scale);
    }

    /** One rotary embedding of whole heads for all layers. */
    void rope(double theta, boolean interleaved) {
        ropes.add(ropeReader.whole("full_attention", theta, interleaved));
    }

    /** One rotary embedding for all layers, of that share of a head where the file does not say. */
    void partialRope(double theta, double partial, boolean interleaved) {
        ropes.add(ropeReader.read("full_attention", theta, partial, interleaved));
    }

    /** A rotary embedding of their own, without scaling unless the file says otherwise, for layers that slide. */
    void localRope(double theta, java.util.function.IntPredicate absent) {
        ropes.add(
                ropeReader.hasOwn("sliding_attention")
                        ? ropeReader.whole("sliding_attention", theta, false)
                        : ropeReader.plain(theta, false));
        for (int i = 0; i < layers; i++) {
            ropeOf[i] = slides(i, absent) ? 1 : 0;
        }
    }

    /** {@code attention_bias} as in Llama: of all four projections. */
    void attentionBias() {
        qkvBias = keys.flag("attention_bias", false);
        attentionOutBias = qkvBias;
    }

    /** Refuses any value but {@code value}, which absence stands for. */
    void require(String key, boolean value) {
        if (keys.flag(key, value) != value) {
            throw keys.fault(key, String.valueOf(value));
        }
    }

    /** Refuses a number that the decoder has no use for. */
    void refuseNumber(String key) {
        if (keys.has(key)) {
            throw keys.fault(key, "absent or null: the decoder does not have it for this architecture");
        }
    }

    /** Refuses a setting that the decoder does not have; absent means false. */
    void refuse(String key) {
        if (keys.flag(key, false)) {
            throw keys.fault(key, "false: the decoder does not have it for this architecture");
        }
    }

    /** The file's sliding window, or 0 if it has none. */
    int window() {
        return keys.integer("sliding_window", 1, Integer.MAX_VALUE, 0);
    }

    /** All layers slide if the file has a window: Mistral, Phi-3. */
    void windowEverywhere() {
        Arrays.fill(windows, window());
    }

    /** Layers of the kinds that {@code layer_types} names; without it, those for which {@code absent} says so slide. */
    void windowsByLayer(int window, java.util.function.IntPredicate absent) {
        for (int i = 0; i < layers; i++) {
            windows[i] = slides(i, absent) ? window : 0;
        }
    }

    /** Whether {@code layer_types} calls layer {@code i} sliding; {@code absent} answers where there is no such list. */
    boolean slides(int i, java.util.function.IntPredicate absent) {
        List<?> types = keys.list("layer_types");
        if (types == null) {
            return absent.test(i);
        }
        if (types.size() < layers) {
            throw keys.fault("layer_types", "a list of num_hidden_layers " + layers + " names");
        }
        return switch (String.valueOf(types.get(i))) {
            case "sliding_attention" -> true;
            case "full_attention" -> false;
            default -> throw keys.fault("layer_types", "full_attention or sliding_attention for each layer");
        };
    }

    /** A mixture of experts in every layer. */
    void experts(String countKey, String sizeKey, boolean softmaxFirst, boolean renormalize) {
        int count = keys.integer(countKey, 1, 1 << 14);
        int topK = keys.integer("num_experts_per_tok", 1, count);
        experts = new MoeShape(count, topK, keys.integer(sizeKey, 1, MAX_WIDTH), softmaxFirst, renormalize, activation);
        Arrays.fill(sparse, true);
    }

    /** @throws CheckpointException if the switches contradict each other */
    DecoderConfig build(String name, TensorNames names) {
        String epsKey = layerNorm ? "layer_norm_eps" : "rms_norm_eps";
        float eps = (float) keys.real(epsKey, 0, 1, layerNorm ? 1e-5 : 1e-6);
        List<DecoderConfig.Layer> specs = new ArrayList<>();
        for (int i = 0; i < layers; i++) {
            int rope = ropes.isEmpty() ? -1 : ropeOf[i];
            specs.add(new DecoderConfig.Layer(
                    new AttentionShape(
                            heads, kvHeads, headDim, (float) attentionScales[i], windows[i], (float) attentionSoftCap),
                    rope,
                    sparse[i]));
        }
        if (learnedPositions == !ropes.isEmpty()) {
            throw new CheckpointException(
                    keys.where() + ": architecture " + name + " needs rotary or learned positions");
        }
        return new DecoderConfig(
                name,
                vocab,
                hidden,
                maxPositions,
                specs,
                new DecoderConfig.Norm(layerNorm, eps, weightlessNorm),
                placement,
                qkNorm,
                new DecoderConfig.Mlp(intermediate, gated, activation),
                experts,
                sharedExpert,
                ropes,
                learnedPositions,
                new DecoderConfig.Scalars(
                        (float) embeddingScale, (float) residualScale, (float) logitScale, (float) finalSoftCap),
                tied,
                new DecoderConfig.Biases(qkvBias, attentionOutBias, mlpBias, headBias),
                new DecoderConfig.WeightLayout(names, qkvOrder, transposed, normsPlusOne));
    }
}
