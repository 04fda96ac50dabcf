package dev.apus.models;

import java.util.List;
import java.util.Map;

/** The GLMs: half of a head is rotated, gate and up projections are one. */
final class GlmArchitectures {
    private static final List<String> TARGETS =
            List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj");

    private GlmArchitectures() {}

    static List<Architecture> all() {
        return List.of(chatGlm(), glm(), glm4());
    }

    /** GLM-4 in transformers' own form. */
    private static Architecture glm() {
        return new Architecture(
                "glm",
                List.of("GlmForCausalLM"),
                List.of(),
                Map.of(),
                GlmArchitectures::glm,
                TensorNames.llama().withFusedGateUp(),
                TARGETS);
    }

    private static void glm(Switches s) {
        s.qkvBias = !s.gguf && s.keys.flag("attention_bias", true);
        s.partialRope(10_000, 0.5, true);
    }

    /** GLM-4-0414: two more norms a layer. */
    private static Architecture glm4() {
        return new Architecture(
                "glm4",
                List.of("Glm4ForCausalLM"),
                List.of("glm4"),
                Map.of(),
                s -> {
                    glm(s);
                    s.placement = DecoderConfig.Placement.SANDWICH;
                },
                TensorNames.llama()
                        .withFusedGateUp()
                        .with(TensorRole.POST_ATTENTION_NORM, "model.layers.{}.post_self_attn_layernorm")
                        .with(TensorRole.POST_MLP_NORM, "model.layers.{}.post_mlp_layernorm"),
                TARGETS);
    }

    /** ChatGLM2, ChatGLM3 and GLM-4 in the form that they were published in. */
    private static Architecture chatGlm() {
        return new Architecture(
                "chatglm",
                List.of("ChatGLMModel", "ChatGLMForConditionalGeneration"),
                List.of(),
                Map.of(
                        "num_hidden_layers", "num_layers",
                        "vocab_size", "padded_vocab_size",
                        "max_position_embeddings", "seq_length",
                        "intermediate_size", "ffn_hidden_size",
                        "head_dim", "kv_channels",
                        "num_key_value_heads", "multi_query_group_num",
                        "rms_norm_eps", "layernorm_epsilon"),
                s -> {
                    s.require("rmsnorm", true);
                    s.require("multi_query_attention", true);
                    s.refuse("apply_residual_connection_post_layernorm");
                    s.qkvBias = s.keys.flag("add_qkv_bias", false) || s.keys.flag("add_bias_linear", false);
                    s.attentionOutBias = s.keys.flag("add_bias_linear", false);
                    s.mlpBias = s.attentionOutBias;
                    s.partialRope(10_000 * s.keys.real("rope_ratio", 1e-3, 1e9, 1), 0.5, true);
                },
                TensorNames.megatron("transformer.encoder.layers.{}.", "self_attention")
                        .with(TensorRole.EMBEDDING, "transformer.embedding.word_embeddings")
                        .with(TensorRole.FINAL_NORM, "transformer.encoder.final_layernorm")
                        .with(TensorRole.HEAD, "transformer.output_layer")
                        .with(TensorRole.GATE_UP, "transformer.encoder.layers.{}.mlp.dense_h_to_4h"),
                List.of("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"));
    }
}
