package dev.apus.models;

import dev.apus.kernels.Activation;
import dev.apus.loaders.CheckpointException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Function;

/** The architectures that the decoder runs. */
final class Architectures {
    private final List<Architecture> all = new ArrayList<>();

    Architectures() {
        all.add(Architecture.likeLlama("llama", List.of("LlamaForCausalLM"), List.of("llama"), Architectures::llama));
        all.add(Architecture.likeLlama("mistral", List.of("MistralForCausalLM"), List.of(), s -> {
            s.windowEverywhere();
            s.rope(10_000, 1, false);
        }));
        all.add(Architecture.likeLlama("qwen2", List.of("Qwen2ForCausalLM"), List.of("qwen2"), s -> {
            s.qkvBias = true;
            qwen(s);
        }));
        all.add(Architecture.likeLlama("qwen3", List.of("Qwen3ForCausalLM"), List.of("qwen3"), s -> {
            s.qkNorm = true;
            attentionBias(s);
            qwen(s);
        }));
        all.add(Architecture.likeLlama(
                "qwen3-moe", List.of("Qwen3MoeForCausalLM"), List.of("qwen3moe"), Architectures::qwen3Moe));
        all.add(gemma2());
        all.add(phi3());
        all.add(gpt2());
    }

    /** The architecture of a config.json's {@code architectures}. */
    Architecture ofClass(String where, List<?> names) {
        for (Object name : names) {
            for (Architecture architecture : all) {
                if (architecture.classes().contains(String.valueOf(name))) {
                    return architecture;
                }
            }
        }
        throw unknown(where + ": 'architectures'", names, Architecture::classes);
    }

    /** The architecture of a GGUF file's {@code general.architecture}. */
    Architecture ofGguf(String where, String name) {
        for (Architecture architecture : all) {
            if (architecture.ggufNames().contains(name)) {
                return architecture;
            }
        }
        throw unknown(where + ": 'general.architecture'", name, Architecture::ggufNames);
    }

    private CheckpointException unknown(String where, Object found, Function<Architecture, List<String>> names) {
        TreeSet<String> known = new TreeSet<>();
        all.forEach(architecture -> known.addAll(names.apply(architecture)));
        return new CheckpointException(
                where + " is " + ConfigReader.quote(found) + "; supported are " + String.join(", ", known));
    }

    static void attentionBias(Switches s) {
        boolean bias = s.keys.flag("attention_bias", false);
        s.qkvBias = bias;
        s.attentionOutBias = bias;
    }

    static void llama(Switches s) {
        attentionBias(s);
        s.mlpBias = s.keys.flag("mlp_bias", false);
        // converters to GGUF permute the rows of Q and K for this architecture, so that pairs lie side by side
        s.rope(10_000, 1, s.gguf);
        if (s.gguf && s.keys.has("num_experts")) {
            int size = s.intermediate;
            s.experts(
                    "num_experts",
                    s.keys.has("moe_intermediate_size") ? "moe_intermediate_size" : "intermediate_size",
                    false,
                    true);
            s.intermediate = size;
        }
    }

    /** Windows from layer {@code max_window_layers} on, where they are switched on at all. */
    private static void qwen(Switches s) {
        int window = s.keys.flag("use_sliding_window", false) ? s.window() : 0;
        int first = s.keys.integer("max_window_layers", 0, Integer.MAX_VALUE, 28);
        s.windowsByLayer(window, i -> i >= first);
        s.rope(10_000, 1, false);
    }

    private static void qwen3Moe(Switches s) {
        s.qkNorm = true;
        attentionBias(s);
        if (s.keys.flag("use_sliding_window", false)) {
            s.windowEverywhere();
        }
        s.rope(10_000, 1, false);
        String count = s.keys.has("num_experts") ? "num_experts" : "num_local_experts";
        s.experts(count, "moe_intermediate_size", true, s.keys.flag("norm_topk_prob", s.gguf));
        int step = s.keys.integer("decoder_sparse_step", 1, Integer.MAX_VALUE, 1);
        List<?> dense = s.keys.list("mlp_only_layers");
        for (int i = 0; i < s.layers; i++) {
            int layer = i;
            boolean listed = dense != null
                    && dense.stream().anyMatch(x -> x instanceof Number number && number.doubleValue() == layer);
            s.sparse[i] = !listed && (i + 1) % step == 0;
        }
    }

    private static Architecture gemma2() {
        return new Architecture(
                "gemma2",
                List.of("Gemma2ForCausalLM"),
                List.of("gemma2"),
                Map.of("hidden_act", "hidden_activation"),
                s -> {
                    gemma(s);
                    s.placement = DecoderConfig.Placement.SANDWICH;
                    attentionBias(s);
                    double scalar = s.keys.real("query_pre_attn_scalar", 1e-3, 1e6, s.gguf ? s.headDim : 256);
                    s.attentionScale = 1 / Math.sqrt(scalar);
                    s.attentionSoftCap = s.keys.real("attn_logit_softcapping", 0, 1e6, s.gguf ? 50 : 0);
                    s.finalSoftCap = s.keys.real("final_logit_softcapping", 0, 1e6, s.gguf ? 30 : 0);
                    s.windowsByLayer(s.window(), i -> i % 2 == 0);
                    s.rope(10_000, 1, false);
                },
                TensorNames.llama().withSandwichNorms(),
                Architecture.LLAMA_TARGETS);
    }

    /** What all Gemmas have: scaled embeddings, norms of 1 + w (which GGUF stores added up), GELU gates, a tied head. */
    static void gemma(Switches s) {
        s.embeddingScale = Math.sqrt(s.hidden);
        s.normsPlusOne = !s.gguf;
        s.activation = s.activation("hidden_act", "gelu_pytorch_tanh");
        s.tied = s.keys.flag("tie_word_embeddings", true);
    }

    private static Architecture phi3() {
        return new Architecture(
                "phi3",
                List.of("Phi3ForCausalLM"),
                List.of("phi3"),
                Map.of(),
                s -> {
                    s.windowEverywhere();
                    s.rope(10_000, 1, false);
                },
                TensorNames.llama()
                        .with(TensorRole.QKV, "model.layers.{}.self_attn.qkv_proj")
                        .with(TensorRole.GATE_UP, "model.layers.{}.mlp.gate_up_proj"),
                List.of("qkv_proj", "o_proj", "gate_up_proj", "down_proj"));
    }

    private static Architecture gpt2() {
        TensorNames names = new TensorNames(Map.ofEntries(
                Map.entry(TensorRole.EMBEDDING, "transformer.wte"),
                Map.entry(TensorRole.POSITIONS, "transformer.wpe"),
                Map.entry(TensorRole.FINAL_NORM, "transformer.ln_f"),
                Map.entry(TensorRole.HEAD, "lm_head"),
                Map.entry(TensorRole.ATTENTION_NORM, "transformer.h.{}.ln_1"),
                Map.entry(TensorRole.QKV, "transformer.h.{}.attn.c_attn"),
                Map.entry(TensorRole.ATTENTION_OUT, "transformer.h.{}.attn.c_proj"),
                Map.entry(TensorRole.MLP_NORM, "transformer.h.{}.ln_2"),
                Map.entry(TensorRole.UP, "transformer.h.{}.mlp.c_fc"),
                Map.entry(TensorRole.DOWN, "transformer.h.{}.mlp.c_proj")));
        return new Architecture(
                "gpt2",
                List.of("GPT2LMHeadModel"),
                List.of("gpt2"),
                Map.of(
                        "num_hidden_layers", "n_layer",
                        "hidden_size", "n_embd",
                        "num_attention_heads", "n_head",
                        "max_position_embeddings", "n_positions",
                        "intermediate_size", "n_inner",
                        "hidden_act", "activation_function",
                        "layer_norm_eps", "layer_norm_epsilon"),
                s -> {
                    s.layerNorm = true;
                    s.gated = false;
                    s.activation = s.gguf ? Activation.GELU_TANH : s.activation("hidden_act", "gelu_new");
                    s.learnedPositions = true;
                    s.qkvBias = true;
                    s.attentionOutBias = true;
                    s.mlpBias = true;
                    s.tied = s.keys.flag("tie_word_embeddings", true);
                    s.transposed = !s.gguf;
                    if (!s.keys.flag("scale_attn_weights", true)) {
                        s.attentionScale = 1;
                    }
                    if (s.keys.flag("scale_attn_by_inverse_layer_idx", false)) {
                        throw s.keys.fault("scale_attn_by_inverse_layer_idx", "false");
                    }
                },
                names,
                List.of("c_attn", "c_proj", "c_fc"));
    }
}
