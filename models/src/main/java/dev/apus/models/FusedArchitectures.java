package dev.apus.models;

import java.util.List;
import java.util.Map;

/** Architectures with RMS norms in front whose checkpoints fuse or rename projections. */
final class FusedArchitectures {
    private FusedArchitectures() {}

    static List<Architecture> all() {
        return List.of(phi3(), glm(), chatGlm(), internLm2(), qwen());
    }

    static TensorNames gateUp(TensorNames names) {
        return names.with(TensorRole.GATE_UP, "model.layers.{}.mlp.gate_up_proj");
    }

    private static Architecture phi3() {
        return new Architecture(
                "phi3",
                List.of("Phi3ForCausalLM"),
                List.of("phi3"),
                Map.of(),
                s -> {
                    s.windowEverywhere();
                    s.partialRope(10_000, 1, false);
                },
                gateUp(TensorNames.llama()).with(TensorRole.QKV, "model.layers.{}.self_attn.qkv_proj"),
                List.of("qkv_proj", "o_proj", "gate_up_proj", "down_proj"));
    }

    /** GLM-4 in transformers' own form. */
    private static Architecture glm() {
        return new Architecture(
                "glm",
                List.of("GlmForCausalLM"),
                List.of(),
                Map.of(),
                FusedArchitectures::glm,
                gateUp(TensorNames.llama()),
                List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj"));
    }

    static void glm(Switches s) {
        s.qkvBias = !s.gguf && s.keys.flag("attention_bias", true);
        s.partialRope(10_000, 0.5, true);
    }

    /** ChatGLM2, ChatGLM3 and GLM-4 in the form that they were published in. */
    private static Architecture chatGlm() {
        String layer = "transformer.encoder.layers.{}.";
        TensorNames names = new TensorNames(Map.ofEntries(
                Map.entry(TensorRole.EMBEDDING, "transformer.embedding.word_embeddings"),
                Map.entry(TensorRole.FINAL_NORM, "transformer.encoder.final_layernorm"),
                Map.entry(TensorRole.HEAD, "transformer.output_layer"),
                Map.entry(TensorRole.ATTENTION_NORM, layer + "input_layernorm"),
                Map.entry(TensorRole.QKV, layer + "self_attention.query_key_value"),
                Map.entry(TensorRole.ATTENTION_OUT, layer + "self_attention.dense"),
                Map.entry(TensorRole.MLP_NORM, layer + "post_attention_layernorm"),
                Map.entry(TensorRole.GATE_UP, layer + "mlp.dense_h_to_4h"),
                Map.entry(TensorRole.DOWN, layer + "mlp.dense_4h_to_h")));
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
                names,
                List.of("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"));
    }

    private static Architecture internLm2() {
        TensorNames names = new TensorNames(Map.ofEntries(
                Map.entry(TensorRole.EMBEDDING, "model.tok_embeddings"),
                Map.entry(TensorRole.FINAL_NORM, "model.norm"),
                Map.entry(TensorRole.HEAD, "output"),
                Map.entry(TensorRole.ATTENTION_NORM, "model.layers.{}.attention_norm"),
                Map.entry(TensorRole.QKV, "model.layers.{}.attention.wqkv"),
                Map.entry(TensorRole.ATTENTION_OUT, "model.layers.{}.attention.wo"),
                Map.entry(TensorRole.MLP_NORM, "model.layers.{}.ffn_norm"),
                Map.entry(TensorRole.GATE, "model.layers.{}.feed_forward.w1"),
                Map.entry(TensorRole.UP, "model.layers.{}.feed_forward.w3"),
                Map.entry(TensorRole.DOWN, "model.layers.{}.feed_forward.w2")));
        return new Architecture(
                "internlm2",
                List.of("InternLM2ForCausalLM"),
                List.of("internlm2"),
                Map.of(),
                s -> {
                    s.qkvBias = s.keys.flag("bias", false);
                    s.attentionOutBias = s.qkvBias;
                    s.qkvOrder = DecoderConfig.QkvOrder.GROUPED;
                    s.rope(10_000, s.gguf);
                },
                names,
                List.of("wqkv", "wo", "w1", "w2", "w3"));
    }

    /** The first Qwen, whose second up projection is the gate. Its NTK and log-n factors start beyond {@code seq_length}. */
    private static Architecture qwen() {
        TensorNames names = new TensorNames(Map.ofEntries(
                Map.entry(TensorRole.EMBEDDING, "transformer.wte"),
                Map.entry(TensorRole.FINAL_NORM, "transformer.ln_f"),
                Map.entry(TensorRole.HEAD, "lm_head"),
                Map.entry(TensorRole.ATTENTION_NORM, "transformer.h.{}.ln_1"),
                Map.entry(TensorRole.QKV, "transformer.h.{}.attn.c_attn"),
                Map.entry(TensorRole.ATTENTION_OUT, "transformer.h.{}.attn.c_proj"),
                Map.entry(TensorRole.MLP_NORM, "transformer.h.{}.ln_2"),
                Map.entry(TensorRole.GATE, "transformer.h.{}.mlp.w2"),
                Map.entry(TensorRole.UP, "transformer.h.{}.mlp.w1"),
                Map.entry(TensorRole.DOWN, "transformer.h.{}.mlp.c_proj")));
        return new Architecture(
                "qwen",
                List.of("QWenLMHeadModel"),
                List.of(),
                Map.of(
                        "head_dim", "kv_channels",
                        "rope_theta", "rotary_emb_base",
                        "partial_rotary_factor", "rotary_pct",
                        "rms_norm_eps", "layer_norm_epsilon"),
                s -> {
                    s.qkvBias = true;
                    s.intermediate /= 2; // the file counts both up projections
                    s.maxPositions = Math.min(
                            s.maxPositions, s.keys.integer("seq_length", 1, Integer.MAX_VALUE, s.maxPositions));
                    s.partialRope(10_000, 1, false);
                },
                names,
                List.of("c_attn", "c_proj", "w1", "w2"));
    }
}
