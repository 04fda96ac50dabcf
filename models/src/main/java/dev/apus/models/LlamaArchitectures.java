package dev.apus.models;

import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Llama and what differs from it by switches only, each alone of its family: RMS norms, rotary positions, its tensor names. */
final class LlamaArchitectures {
    private LlamaArchitectures() {}

    static List<Architecture> all() {
        return List.of(llama(), arcee(), miniCpm(), smolLm3(), seedOss(), helium(), ernie(), hunYuan(), exaone4());
    }

    private static Architecture llama() {
        return Architecture.likeLlama(
                "llama",
                List.of(
                        "LlamaForCausalLM",
                        "LLaMAForCausalLM",
                        "AquilaForCausalLM",
                        "AquilaModel",
                        "XverseForCausalLM"),
                List.of("llama"),
                LlamaArchitectures::llama);
    }

    private static void llama(Switches s) {
        s.attentionBias();
        s.mlpBias = s.keys.flag("mlp_bias", false);
        // converters to GGUF permute the rows of Q and K for this architecture, so that pairs lie side by side
        s.rope(10_000, s.gguf);
        if (s.gguf && s.keys.has("num_experts")) {
            int size = s.intermediate;
            s.experts(
                    "num_experts",
                    s.keys.has("moe_intermediate_size") ? "moe_intermediate_size" : "intermediate_size",
                    false,
                    true);
            s.intermediate = size;
        }
    }

    private static Architecture arcee() {
        return Architecture.likeLlama("arcee", List.of("ArceeForCausalLM"), List.of("arcee"), s -> {
            s.attentionBias();
            s.mlpBias = s.keys.flag("mlp_bias", false);
            s.gated = false;
            s.activation = s.activation("hidden_act", "relu2");
            s.rope(10_000, s.gguf);
        });
    }

    private static Architecture miniCpm() {
        return Architecture.likeLlama("minicpm", List.of("MiniCPMForCausalLM"), List.of(), LlamaArchitectures::miniCpm);
    }

    private static void miniCpm(Switches s) {
        if (s.keys.integer("num_experts", 0, Integer.MAX_VALUE, 0) > 0) {
            throw s.keys.fault("num_experts", "0: MiniCPM-MoE is not supported");
        }
        s.embeddingScale = s.keys.real("scale_emb", 1e-6, 1e6, 1);
        s.residualScale = s.keys.real("scale_depth", 1e-6, 1e6, Math.sqrt(s.layers)) / Math.sqrt(s.layers);
        s.logitScale = s.keys.real("dim_model_base", 1e-6, 1e6, s.hidden) / s.hidden;
        s.tied = s.keys.flag("tie_word_embeddings", true);
        s.rope(10_000, false);
    }

    private static Architecture smolLm3() {
        return Architecture.likeLlama("smollm3", List.of("SmolLM3ForCausalLM"), List.of(), LlamaArchitectures::smolLm3);
    }

    private static void smolLm3(Switches s) {
        s.attentionBias();
        s.mlpBias = s.keys.flag("mlp_bias", false);
        s.tied = s.keys.flag("tie_word_embeddings", true);
        s.rope(2_000_000, false);
        List<?> rotated = s.keys.list("no_rope_layers");
        int interval = s.keys.integer("no_rope_layer_interval", 1, Integer.MAX_VALUE, 4);
        for (int i = 0; i < s.layers; i++) {
            boolean listed = rotated != null && !rotated.isEmpty();
            boolean rope = listed ? flag(s, Objects.requireNonNull(rotated), i) : (i + 1) % interval != 0;
            s.ropeOf[i] = rope ? 0 : -1;
        }
        int window = s.keys.flag("use_sliding_window", false) ? s.window() : 0;
        s.windowsByLayer(window, i -> s.ropeOf[i] < 0);
    }

    /** The list is named for layers without rotation but says 1 for those with. */
    private static boolean flag(Switches s, List<?> list, int layer) {
        if (layer < list.size() && list.get(layer) instanceof Number number) {
            if (number.doubleValue() == 0 || number.doubleValue() == 1) {
                return number.doubleValue() == 1;
            }
        }
        throw s.keys.fault("no_rope_layers", "a list of num_hidden_layers " + s.layers + " values 0 or 1");
    }

    private static Architecture seedOss() {
        return Architecture.likeLlama("seed-oss", List.of("SeedOssForCausalLM"), List.of("seed_oss"), s -> {
            s.qkvBias = !s.gguf && s.keys.flag("attention_bias", true);
            s.attentionOutBias = s.keys.flag("attention_out_bias", false);
            s.mlpBias = s.keys.flag("mlp_bias", false);
            s.ggufNames = s.ggufNames.with(TensorRole.MLP_NORM, "blk.{}.post_attention_norm");
            s.rope(10_000, false);
        });
    }

    private static Architecture helium() {
        return Architecture.likeLlama("helium", List.of("HeliumForCausalLM"), List.of(), s -> {
            s.qkvBias = s.keys.flag("attention_bias", false);
            s.mlpBias = s.keys.flag("mlp_bias", false);
            s.rope(100_000, true);
        });
    }

    private static Architecture ernie() {
        return Architecture.likeLlama("ernie4.5", List.of("Ernie4_5ForCausalLM"), List.of("ernie4_5"), s -> {
            boolean bias = s.keys.flag("use_bias", false);
            s.qkvBias = bias;
            s.attentionOutBias = bias;
            s.mlpBias = bias;
            s.tied = s.keys.flag("tie_word_embeddings", true);
            s.rope(500_000, true);
        });
    }

    private static Architecture hunYuan() {
        return new Architecture(
                "hunyuan",
                List.of("HunYuanDenseV1ForCausalLM"),
                List.of("hunyuan-dense"),
                Map.of(),
                s -> {
                    s.attentionBias();
                    if (s.keys.flag("use_qk_norm", true)) {
                        s.qkNorm = DecoderConfig.QkNorm.HEAD_AFTER_ROPE;
                    }
                    s.refuse("use_cla");
                    s.rope(10_000, false);
                },
                TensorNames.llama()
                        .with(TensorRole.QUERY_NORM, "model.layers.{}.self_attn.query_layernorm")
                        .with(TensorRole.KEY_NORM, "model.layers.{}.self_attn.key_layernorm"),
                Architecture.LLAMA_TARGETS);
    }

    private static Architecture exaone4() {
        return new Architecture(
                "exaone4",
                List.of("Exaone4ForCausalLM"),
                List.of(),
                Map.of(),
                LlamaArchitectures::exaone4,
                TensorNames.llama().withNormsBehind(),
                Architecture.LLAMA_TARGETS);
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
