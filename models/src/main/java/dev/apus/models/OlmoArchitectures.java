package dev.apus.models;

import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** The OLMos: LayerNorms without weights at first, then norms behind attention and MLP and over all heads at once. */
final class OlmoArchitectures {
    private OlmoArchitectures() {}

    static List<Architecture> all() {
        return List.of(olmo(), olmo2(), olmo3(), olmoe());
    }

    /** The first OLMo, whose norms have no weights. */
    private static Architecture olmo() {
        return Architecture.likeLlama("olmo", List.of("OlmoForCausalLM"), List.of(), s -> {
            s.layerNorm = true;
            s.weightlessNorm = true;
            s.attentionBias();
            s.refuseNumber("clip_qkv");
            s.rope(10_000, false);
        });
    }

    private static Architecture olmo2() {
        return behind("olmo2", "Olmo2ForCausalLM", List.of("olmo2"), s -> s.rope(500_000, false));
    }

    private static Architecture olmo3() {
        return behind("olmo3", "Olmo3ForCausalLM", List.of(), s -> {
            s.windowsByLayer(s.window(), i -> (i + 1) % 4 != 0);
            s.rope(500_000, false);
            // local layers share the base but not its scaling
            s.localRope(s.ropes.getFirst().theta(), i -> (i + 1) % 4 != 0);
        });
    }

    /** Norms behind attention and MLP, queries and keys normed over all heads. */
    private static Architecture behind(
            String name, String className, List<String> ggufNames, Consumer<Switches> switches) {
        return new Architecture(
                name,
                List.of(className),
                ggufNames,
                Map.of(),
                s -> {
                    s.placement = DecoderConfig.Placement.POST;
                    s.qkNorm = DecoderConfig.QkNorm.ALL_HEADS;
                    s.attentionBias();
                    switches.accept(s);
                },
                TensorNames.llama().withNormsBehind(),
                Architecture.LLAMA_TARGETS);
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
}
