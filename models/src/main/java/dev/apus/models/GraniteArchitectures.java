package dev.apus.models;

import java.util.List;
import java.util.Map;

/** The Granites: Llamas and Mixtrals with constant factors. */
final class GraniteArchitectures {
    private GraniteArchitectures() {}

    static List<Architecture> all() {
        return List.of(granite(), graniteMoe());
    }

    private static Architecture granite() {
        return Architecture.likeLlama("granite", List.of("GraniteForCausalLM"), List.of("granite"), s -> {
            s.attentionBias();
            s.mlpBias = s.keys.flag("mlp_bias", false);
            multipliers(s);
            s.rope(10_000, s.gguf);
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
                    multipliers(s);
                    s.rope(10_000, false);
                    s.experts("num_local_experts", "intermediate_size", false, true);
                },
                TensorNames.llama()
                        .with(TensorRole.ROUTER, block + "router.layer")
                        .with(TensorRole.EXPERTS_GATE_UP, block + "input_linear")
                        .with(TensorRole.EXPERTS_DOWN, block + "output_linear"),
                List.of("q_proj", "k_proj", "v_proj", "o_proj"));
    }

    /** Granite's constant factors. */
    private static void multipliers(Switches s) {
        s.embeddingScale = s.keys.real("embedding_multiplier", 1e-6, 1e6, 1);
        s.residualScale = s.keys.real("residual_multiplier", 1e-6, 1e6, 1);
        s.attentionScale(s.keys.real("attention_multiplier", 1e-6, 1e6, 1));
        s.logitScale = 1 / s.keys.real("logits_scaling", 1e-6, 1e6, 1);
    }
}
