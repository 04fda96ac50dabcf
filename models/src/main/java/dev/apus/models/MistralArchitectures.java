package dev.apus.models;

import java.util.List;
import java.util.Map;

/** The Mistrals: Llamas with windows, and Mixtral, which is Mistral with experts. */
final class MistralArchitectures {
    private MistralArchitectures() {}

    static List<Architecture> all() {
        return List.of(mistral(), ministral(), mixtral());
    }

    private static Architecture mistral() {
        return Architecture.likeLlama("mistral", List.of("MistralForCausalLM"), List.of(), s -> {
            s.windowEverywhere();
            s.rope(10_000, false);
        });
    }

    private static Architecture ministral() {
        return Architecture.likeLlama("ministral", List.of("MinistralForCausalLM"), List.of(), s -> {
            s.windowsByLayer(s.window(), i -> true);
            s.rope(10_000, false);
        });
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
}
