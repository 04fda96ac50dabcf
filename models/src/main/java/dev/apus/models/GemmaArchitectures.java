package dev.apus.models;

import java.util.List;
import java.util.Map;

/** The Gemmas: scaled embeddings, norms of 1 + w, GELU gates, a tied head. */
final class GemmaArchitectures {
    /** Layers of one global layer and its local ones in Gemma 3. */
    private static final int PATTERN = 6;

    private GemmaArchitectures() {}

    static List<Architecture> all() {
        return List.of(
                Architecture.likeLlama("gemma", List.of("GemmaForCausalLM"), List.of("gemma"), s -> {
                    gemma(s);
                    if (!s.keys.text("hidden_act", "gelu")
                            .equals("gelu")) { // the first release's name for the same function
                        s.activation = s.activation("hidden_act", "");
                    }
                    s.attentionBias();
                    s.rope(10_000, false);
                }),
                new Architecture(
                        "gemma2",
                        List.of("Gemma2ForCausalLM"),
                        List.of("gemma2"),
                        Map.of(),
                        GemmaArchitectures::gemma2,
                        TensorNames.llama().withSandwichNorms(),
                        Architecture.LLAMA_TARGETS),
                new Architecture(
                        "gemma3",
                        List.of("Gemma3ForCausalLM"),
                        List.of("gemma3"),
                        Map.of(),
                        GemmaArchitectures::gemma3,
                        TensorNames.llama().withSandwichNorms(),
                        Architecture.LLAMA_TARGETS));
    }

    /** What all have; GGUF stores 1 + w added up. */
    private static void gemma(Switches s) {
        s.embeddingScale = Math.sqrt(s.hidden);
        s.normsPlusOne = !s.gguf;
        s.activation = s.activation("hidden_activation", "gelu_pytorch_tanh");
        s.tied = s.keys.flag("tie_word_embeddings", true);
        s.refuse("use_bidirectional_attention");
    }

    private static void gemma2(Switches s) {
        sandwich(s);
        s.attentionSoftCap = s.keys.real("attn_logit_softcapping", 0, 1e6, s.gguf ? 50 : 0);
        s.finalSoftCap = s.keys.real("final_logit_softcapping", 0, 1e6, s.gguf ? 30 : 0);
        s.windowsByLayer(s.window(), i -> i % 2 == 0);
        s.rope(10_000, false);
    }

    private static void sandwich(Switches s) {
        gemma(s);
        s.placement = DecoderConfig.Placement.SANDWICH;
        s.attentionBias();
        double scalar = s.keys.real("query_pre_attn_scalar", 1e-3, 1e6, s.gguf ? s.headDim : 256);
        s.attentionScale(1 / Math.sqrt(scalar));
    }

    /** Local layers have windows and a rotary base of their own; only global ones are scaled. */
    private static void gemma3(Switches s) {
        sandwich(s);
        s.qkNorm = DecoderConfig.QkNorm.HEAD;
        s.attentionSoftCap = s.keys.real("attn_logit_softcapping", 0, 1e6, 0);
        s.finalSoftCap = s.keys.real("final_logit_softcapping", 0, 1e6, 0);
        int pattern = s.keys.integer("sliding_window_pattern", 1, Integer.MAX_VALUE, PATTERN);
        s.windowsByLayer(s.window(), i -> (i + 1) % pattern != 0);
        s.rope(1_000_000, false);
        double local = s.keys.real("rope_local_base_freq", 1, 1e15, 10_000);
        s.localRope(local, i -> (i + 1) % pattern != 0);
    }
}
