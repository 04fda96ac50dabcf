package dev.apus.models;

import dev.apus.kernels.Activation;
import java.util.List;
import java.util.Map;

/** Architectures that use LayerNorm, each alone of its family. */
final class LayerNormArchitectures {
    private LayerNormArchitectures() {}

    static List<Architecture> all() {
        return List.of(gpt2(), gptNeoX(), stableLm(), starCoder2(), nemotron(), cohere("cohere"), cohere("cohere2"));
    }

    private static Architecture gpt2() {
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
                LayerNormArchitectures::gpt2,
                TensorNames.gpt2()
                        .with(TensorRole.POSITIONS, "transformer.wpe")
                        .with(TensorRole.UP, "transformer.h.{}.mlp.c_fc"),
                List.of("c_attn", "c_proj", "c_fc"));
    }

    private static void gpt2(Switches s) {
        plain(s, true);
        s.activation = s.gguf ? Activation.GELU_TANH : s.activation("hidden_act", "gelu_new");
        s.learnedPositions = true;
        s.tied = s.keys.flag("tie_word_embeddings", true);
        s.transposed = !s.gguf;
        if (!s.keys.flag("scale_attn_weights", true)) {
            s.attentionScale(1);
        }
        if (s.keys.flag("scale_attn_by_inverse_layer_idx", false)) {
            for (int i = 0; i < s.layers; i++) {
                s.attentionScales[i] /= i + 1;
            }
        }
    }

    /** LayerNorm and an MLP without a gate. */
    static void plain(Switches s, boolean biases) {
        s.layerNorm = true;
        s.gated = false;
        s.qkvBias = biases;
        s.attentionOutBias = biases;
        s.mlpBias = biases;
    }

    private static Architecture gptNeoX() {
        return new Architecture(
                "gpt-neox",
                List.of("GPTNeoXForCausalLM"),
                List.of(),
                Map.of("rope_theta", "rotary_emb_base", "partial_rotary_factor", "rotary_pct"),
                s -> {
                    plain(s, true);
                    s.qkvBias = s.keys.flag("attention_bias", true);
                    s.attentionOutBias = s.qkvBias;
                    s.activation = s.activation("hidden_act", "gelu");
                    s.placement = s.keys.flag("use_parallel_residual", true)
                            ? DecoderConfig.Placement.PARALLEL_TWO_NORMS
                            : DecoderConfig.Placement.PRE;
                    s.qkvOrder = DecoderConfig.QkvOrder.GROUPED;
                    s.partialRope(10_000, 0.25, false);
                },
                TensorNames.megatron("gpt_neox.layers.{}.", "attention")
                        .with(TensorRole.EMBEDDING, "gpt_neox.embed_in")
                        .with(TensorRole.FINAL_NORM, "gpt_neox.final_layer_norm")
                        .with(TensorRole.HEAD, "embed_out")
                        .with(TensorRole.UP, "gpt_neox.layers.{}.mlp.dense_h_to_4h"),
                List.of("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"));
    }

    private static Architecture stableLm() {
        return Architecture.likeLlama("stablelm", List.of("StableLmForCausalLM"), List.of("stablelm"), s -> {
            s.layerNorm = true;
            s.qkvBias = s.keys.flag("use_qkv_bias", false);
            s.refuse("qk_layernorm");
            s.placement = s.keys.flag("use_parallel_residual", false)
                    ? DecoderConfig.Placement.PARALLEL
                    : DecoderConfig.Placement.PRE;
            s.partialRope(10_000, 0.25, false);
        });
    }

    private static Architecture starCoder2() {
        return new Architecture(
                "starcoder2",
                List.of("Starcoder2ForCausalLM"),
                List.of("starcoder2"),
                Map.of("layer_norm_eps", "norm_epsilon"),
                s -> {
                    plain(s, s.keys.flag("use_bias", true));
                    s.activation = s.activation("hidden_act", "gelu_pytorch_tanh");
                    s.tied = s.keys.flag("tie_word_embeddings", true);
                    s.windowEverywhere();
                    s.rope(10_000, false);
                },
                TensorNames.llama()
                        .with(TensorRole.UP, "model.layers.{}.mlp.c_fc")
                        .with(TensorRole.DOWN, "model.layers.{}.mlp.c_proj"),
                List.of("q_proj", "k_proj", "v_proj", "o_proj", "c_fc", "c_proj"));
    }

    private static Architecture nemotron() {
        return new Architecture(
                "nemotron",
                List.of("NemotronForCausalLM"),
                List.of("nemotron"),
                Map.of("layer_norm_eps", "norm_eps"),
                s -> {
                    plain(s, false);
                    s.normsPlusOne = !s.gguf;
                    s.attentionBias();
                    s.mlpBias = s.keys.flag("mlp_bias", false);
                    s.activation = s.activation("hidden_act", "relu2");
                    s.partialRope(10_000, 0.5, false);
                },
                TensorNames.llama(),
                Architecture.LLAMA_TARGETS);
    }

    /** Command-R, and Command-R7B with its windows: there only the local layers are rotated. */
    private static Architecture cohere(String name) {
        boolean second = name.equals("cohere2");
        String className = second ? "Cohere2ForCausalLM" : "CohereForCausalLM";
        return Architecture.likeLlama(name, List.of(className), List.of(), s -> {
            s.layerNorm = true;
            s.attentionBias();
            s.placement = DecoderConfig.Placement.PARALLEL;
            s.logitScale = s.keys.real("logit_scale", 1e-6, 1e6, 0.0625);
            s.tied = s.keys.flag("tie_word_embeddings", true);
            s.refuse("use_qk_norm");
            s.rope(10_000, true);
            if (second) {
                int pattern = s.keys.integer("sliding_window_pattern", 1, Integer.MAX_VALUE, 4);
                s.windowsByLayer(s.window(), i -> (i + 1) % pattern != 0);
                for (int i = 0; i < s.layers; i++) {
                    s.ropeOf[i] = s.windows[i] > 0 ? 0 : -1;
                }
            }
        });
    }
}
