package dev.apus.models;

import java.util.List;
import java.util.Map;

/** The Qwens. Since the second they are Llamas with biases or norms on queries and keys. */
final class QwenArchitectures {
    private QwenArchitectures() {}

    static List<Architecture> all() {
        return List.of(qwen(), qwen2(), qwen3(), qwen2Moe(), qwen3Moe());
    }

    /** The first Qwen, whose second up projection is the gate. Its NTK and log-n factors start beyond {@code seq_length}. */
    private static Architecture qwen() {
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
                TensorNames.gpt2()
                        .with(TensorRole.GATE, "transformer.h.{}.mlp.w2")
                        .with(TensorRole.UP, "transformer.h.{}.mlp.w1"),
                List.of("c_attn", "c_proj", "w1", "w2"));
    }

    private static Architecture qwen2() {
        return Architecture.likeLlama("qwen2", List.of("Qwen2ForCausalLM"), List.of("qwen2"), s -> {
            s.qkvBias = true;
            laterWindows(s);
            s.rope(10_000, false);
        });
    }

    private static Architecture qwen3() {
        return Architecture.likeLlama("qwen3", List.of("Qwen3ForCausalLM"), List.of("qwen3"), s -> {
            s.qkNorm = DecoderConfig.QkNorm.HEAD;
            s.attentionBias();
            laterWindows(s);
            s.rope(10_000, false);
        });
    }

    /** Windows from layer {@code max_window_layers} on, where they are switched on at all. */
    private static void laterWindows(Switches s) {
        int window = s.keys.flag("use_sliding_window", false) ? s.window() : 0;
        int first = s.keys.integer("max_window_layers", 0, Integer.MAX_VALUE, 28);
        s.windowsByLayer(window, i -> i >= first);
    }

    private static Architecture qwen2Moe() {
        return Architecture.likeLlama("qwen2-moe", List.of("Qwen2MoeForCausalLM"), List.of("qwen2moe"), s -> {
            s.qkvBias = s.keys.flag("qkv_bias", true);
            int window = s.keys.flag("use_sliding_window", false) ? s.window() : 0;
            int end = s.keys.integer("max_window_layers", 0, Integer.MAX_VALUE, 28);
            s.windowsByLayer(window, i -> i % 2 == 0 && i < end);
            s.rope(10_000, false);
            s.experts("num_experts", "moe_intermediate_size", true, s.keys.flag("norm_topk_prob", false));
            sparseLayers(s);
            s.sharedExpert = s.keys.integer("shared_expert_intermediate_size", 1, 1 << 22);
        });
    }

    private static Architecture qwen3Moe() {
        return Architecture.likeLlama("qwen3-moe", List.of("Qwen3MoeForCausalLM"), List.of("qwen3moe"), s -> {
            s.qkNorm = DecoderConfig.QkNorm.HEAD;
            s.attentionBias();
            if (s.keys.flag("use_sliding_window", false)) {
                s.windowEverywhere();
            }
            s.rope(10_000, false);
            String count = s.keys.has("num_experts") ? "num_experts" : "num_local_experts";
            s.experts(count, "moe_intermediate_size", true, s.keys.flag("norm_topk_prob", s.gguf));
            sparseLayers(s);
        });
    }

    /** Every {@code decoder_sparse_step}-th layer but those that {@code mlp_only_layers} lists. */
    private static void sparseLayers(Switches s) {
        int step = s.keys.integer("decoder_sparse_step", 1, Integer.MAX_VALUE, 1);
        List<?> dense = s.keys.list("mlp_only_layers");
        for (int i = 0; i < s.layers; i++) {
            int layer = i;
            boolean listed = dense != null
                    && dense.stream().anyMatch(x -> x instanceof Number number && number.doubleValue() == layer);
            s.sparse[i] = !listed && (i + 1) % step == 0;
        }
    }
}
