package dev.apus.models;

import java.util.List;
import java.util.Map;

/** Architectures with norms behind attention and MLP. */
final class PostNormArchitectures {
    private PostNormArchitectures() {}

    static List<Architecture> all() {
        TensorNames behind = TensorNames.llama()
                .with(TensorRole.POST_ATTENTION_NORM, "model.layers.{}.post_attention_layernorm")
                .with(TensorRole.POST_MLP_NORM, "model.layers.{}.post_feedforward_layernorm");
        return List.of(
                of("olmo2", "Olmo2ForCausalLM", "olmo2", behind, s -> {
                    olmo(s);
                    s.rope(500_000, false);
                }),
                of("olmo3", "Olmo3ForCausalLM", "", behind, s -> {
                    olmo(s);
                    s.windowsByLayer(s.window(), i -> (i + 1) % 4 != 0);
                    s.rope(500_000, false);
                    // local layers share the base but not its scaling
                    s.localRope(s.ropes.getFirst().theta(), i -> (i + 1) % 4 != 0);
                }),
                of("exaone4", "Exaone4ForCausalLM", "", behind, PostNormArchitectures::exaone4),
                of(
                        "glm4",
                        "Glm4ForCausalLM",
                        "glm4",
                        FusedArchitectures.gateUp(TensorNames.llama())
                                .with(TensorRole.POST_ATTENTION_NORM, "model.layers.{}.post_self_attn_layernorm")
                                .with(TensorRole.POST_MLP_NORM, "model.layers.{}.post_mlp_layernorm"),
                        s -> {
                            FusedArchitectures.glm(s);
                            s.placement = DecoderConfig.Placement.SANDWICH;
                        }));
    }

    private static Architecture of(
            String name,
            String className,
            String ggufName,
            TensorNames names,
            java.util.function.Consumer<Switches> switches) {
        return new Architecture(
                name,
                List.of(className),
                ggufName.isEmpty() ? List.of() : List.of(ggufName),
                Map.of(),
                switches,
                names,
                Architecture.LLAMA_TARGETS);
    }

    private static void olmo(Switches s) {
        s.placement = DecoderConfig.Placement.POST;
        s.qkNorm = DecoderConfig.QkNorm.ALL_HEADS;
        s.attentionBias();
    }

    /** Of the hybrid models only the local layers are rotated. */
    private static void exaone4(Switches s) {
        s.placement = DecoderConfig.Placement.POST;
        s.qkNorm = DecoderConfig.QkNorm.HEAD;
        s.rope(1_000_000, false);
        if (s.window() == 0) {
            return;
        }
        // the 32B model's own config.json has "LLLG" here beside its layer_types
        int pattern = s.keys.has("layer_types") ? 4 : s.keys.integer("sliding_window_pattern", 0, 1000, 4);
        s.windowsByLayer(s.window(), i -> pattern > 0 && (i + 1) % pattern != 0);
        for (int i = 0; i < s.layers; i++) {
            s.ropeOf[i] = s.windows[i] > 0 ? 0 : -1;
        }
    }
}
