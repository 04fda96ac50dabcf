package dev.apus.models;

import java.util.List;
import java.util.Map;

/** Architectures with mixtures of experts. */
final class MoeArchitectures {
    private MoeArchitectures() {}

    static List<Architecture> all() {
        return List.of(mixtral(), qwen2Moe(), qwen3Moe(), olmoe(), graniteMoe());
    }

    private static Architecture mixtral() {
        String block = "model.layers.{}.block_sparse_moe.";
        return new Architecture(
                "mixtral",
                List.of("MixtralForCausalLM"),
                List.of(),
                Map.of(),
                s -> {
                    s.windowEverywhere();
                    s.rope(10_000, false);
                    s.experts("num_local_experts", "intermediate_size", false, true);
                },
                TensorNames.llama()
                        .with(TensorRole.ROUTER, block + "gate")
                        .with(TensorRole.EXPERT_GATE, block + "experts.{}.w1")
                        .with(TensorRole.EXPERT_UP, block + "experts.{}.w3")
                        .with(TensorRole.EXPERT_DOWN, block + "experts.{}.w2"),
                List.of("q_proj", "k_proj", "v_proj", "o_proj"));
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

    private static Architecture olmoe() {
        return Architecture.likeLlama("olmoe", List.of("OlmoeForCausalLM"), List.of("olmoe"), s -> {
            s.qkNorm = DecoderConfig.QkNorm.ALL_HEADS;
            s.attentionBias();
            s.refuseNumber("clip_qkv");
            s.rope(10_000, false);
            String size = s.keys.has("moe_intermediate_size") ? "moe_intermediate_size" : "intermediate_size";
            s.experts("num_experts", size, true, s.keys.flag("norm_topk_prob", false));
        });
    }

    private static Architecture graniteMoe() {
        String block = "model.layers.{}.block_sparse_moe.";
        return new Architecture(
                "granite-moe",
                List.of("GraniteMoeForCausalLM"),
                List.of(),
                Map.of(),
                s -> {
                    s.attentionBias();
                    LlamaArchitectures.multipliers(s);
                    s.rope(10_000, false);
                    s.experts("num_local_experts", "intermediate_size", false, true);
                },
                TensorNames.llama()
                        .with(TensorRole.ROUTER, block + "router.layer")
                        .with(TensorRole.EXPERTS_GATE_UP, block + "input_linear")
                        .with(TensorRole.EXPERTS_DOWN, block + "output_linear"),
                List.of("q_proj", "k_proj", "v_proj", "o_proj"));
    }
}
