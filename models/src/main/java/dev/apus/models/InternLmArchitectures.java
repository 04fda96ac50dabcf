package dev.apus.models;

import java.util.List;
import java.util.Map;

/** The InternLMs. The first and the third are Llamas with biases; the second fuses queries, keys and values. */
final class InternLmArchitectures {
    private InternLmArchitectures() {}

    static List<Architecture> all() {
        return List.of(internLm(), internLm2(), internLm3());
    }

    private static Architecture internLm() {
        return Architecture.likeLlama("internlm", List.of("InternLMForCausalLM"), List.of(), s -> {
            s.qkvBias = s.keys.flag("bias", true);
            s.attentionOutBias = s.qkvBias;
            s.rope(10_000, false);
        });
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

    private static Architecture internLm3() {
        return Architecture.likeLlama("internlm3", List.of("InternLM3ForCausalLM"), List.of(), s -> {
            s.qkvBias = s.keys.flag("qkv_bias", s.keys.flag("attention_bias", false));
            s.mlpBias = s.keys.flag("bias", s.keys.flag("mlp_bias", false));
            s.attentionOutBias = s.mlpBias;
            s.rope(10_000, false);
        });
    }
}
