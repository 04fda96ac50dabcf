package dev.apus.models;

import java.util.List;
import java.util.Map;

/** The Phis: up to the second with LayerNorms side by side, the third a Llama with fused projections. */
final class PhiArchitectures {
    private PhiArchitectures() {}

    static List<Architecture> all() {
        return List.of(phi(), phi3());
    }

    /** Phi-1, Phi-1.5 and Phi-2. */
    private static Architecture phi() {
        return new Architecture(
                "phi",
                List.of("PhiForCausalLM"),
                List.of("phi2"),
                Map.of(),
                s -> {
                    LayerNormArchitectures.plain(s, true);
                    s.activation = s.activation("hidden_act", "gelu_new");
                    s.placement = DecoderConfig.Placement.PARALLEL;
                    s.headBias = true;
                    s.refuse("qk_layernorm");
                    s.partialRope(10_000, 0.5, false);
                },
                TensorNames.llama()
                        .with(TensorRole.FINAL_NORM, "model.final_layernorm")
                        .with(TensorRole.ATTENTION_OUT, "model.layers.{}.self_attn.dense")
                        .with(TensorRole.UP, "model.layers.{}.mlp.fc1")
                        .with(TensorRole.DOWN, "model.layers.{}.mlp.fc2"),
                List.of("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"));
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
                TensorNames.llama().withFusedGateUp().with(TensorRole.QKV, "model.layers.{}.self_attn.qkv_proj"),
                List.of("qkv_proj", "o_proj", "gate_up_proj", "down_proj"));
    }
}
