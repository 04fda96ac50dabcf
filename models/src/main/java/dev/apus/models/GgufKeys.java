package dev.apus.models;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.quant.Dequantizer;
import dev.apus.loaders.CheckpointException;
import dev.apus.loaders.GgufFile;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Shows GGUF metadata under the names of config.json. */
final class GgufKeys {
    /** Hugging Face's name to ggml's, without the architecture in front. */
    private static final Map<String, String> NAMES = Map.ofEntries(
            Map.entry("num_hidden_layers", "block_count"),
            Map.entry("max_position_embeddings", "context_length"),
            Map.entry("hidden_size", "embedding_length"),
            Map.entry("intermediate_size", "feed_forward_length"),
            Map.entry("vocab_size", "vocab_size"),
            Map.entry("num_attention_heads", "attention.head_count"),
            Map.entry("num_key_value_heads", "attention.head_count_kv"),
            Map.entry("head_dim", "attention.key_length"),
            Map.entry("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
            Map.entry("layer_norm_eps", "attention.layer_norm_epsilon"),
            Map.entry("sliding_window", "attention.sliding_window"),
            Map.entry("rope_theta", "rope.freq_base"),
            Map.entry("rope.dimension_count", "rope.dimension_count"),
            Map.entry("original_max_position_embeddings", "rope.scaling.original_context_length"),
            Map.entry("num_experts", "expert_count"),
            Map.entry("num_experts_per_tok", "expert_used_count"),
            Map.entry("moe_intermediate_size", "expert_feed_forward_length"),
            Map.entry("shared_expert_intermediate_size", "expert_shared_feed_forward_length"),
            Map.entry("sliding_window_pattern", "attention.sliding_window_pattern"),
            Map.entry("rope_local_base_freq", "rope.freq_base_swa"),
            Map.entry("attn_logit_softcapping", "attn_logit_softcapping"),
            Map.entry("final_logit_softcapping", "final_logit_softcapping"),
            Map.entry("embedding_multiplier", "embedding_scale"),
            Map.entry("residual_multiplier", "residual_scale"),
            Map.entry("attention_multiplier", "attention.scale"),
            Map.entry("logits_scaling", "logit_scale"));

    private GgufKeys() {}

    /** A reader of the file's metadata, with what only its tensors tell put in: vocabulary, tying, rotary divisors. */
    static ConfigReader reader(GgufFile file, String architecture) {
        Map<String, Object> values = new LinkedHashMap<>(file.metadata());
        Map<String, String> aliases = new LinkedHashMap<>();
        NAMES.forEach((name, key) -> aliases.put(name, architecture + "." + key));
        if (file.contains("token_embd.weight")) {
            values.putIfAbsent(
                    architecture + ".vocab_size",
                    file.tensor("token_embd.weight").dim(0));
        }
        values.put("tie_word_embeddings", !file.contains("output.weight"));
        // the converter writes use_parallel_residual for StableLM whatever the model does; llama.cpp looks for the
        // second norm instead
        values.put("use_parallel_residual", !file.contains("blk.0.ffn_norm.weight"));
        Map<String, Object> scaling = new LinkedHashMap<>();
        copy(values, architecture + ".rope.scaling.type", scaling, "rope_type");
        copy(values, architecture + ".rope.scaling.factor", scaling, "factor");
        // with YaRN, llama.cpp has it times the factor that follows from the scale
        copy(
                values,
                architecture + ".rope.scaling.attn_factor",
                scaling,
                "yarn".equals(scaling.get("rope_type")) ? "attention_multiplier" : "attention_factor");
        copy(
                values,
                architecture + ".rope.scaling.original_context_length",
                scaling,
                "original_max_position_embeddings");
        if (file.contains("rope_factors_long.weight")) {
            scaling.put("rope_type", "longrope");
            scaling.put("long_factor", floats(file, "rope_factors_long.weight"));
            scaling.put("short_factor", floats(file, "rope_factors_short.weight"));
        }
        if (!scaling.isEmpty()) {
            values.put("rope_scaling", scaling);
        }
        return new ConfigReader(file.description(), values, aliases);
    }

    private static void copy(Map<String, Object> from, String key, Map<String, Object> to, String name) {
        Object value = from.get(key);
        if (value != null) {
            to.put(name, value);
        }
    }

    /** The values of a small F32, F16 or BF16 tensor. */
    static List<Object> floats(GgufFile file, String name) {
        HostTensor tensor = file.tensor(name);
        if (tensor.rank() != 1
                || tensor.dim(0) > 4096
                || tensor.dtype() == DType.F64
                || tensor.dtype().isBlocked()) {
            throw new CheckpointException(file.description() + ": tensor '" + name + "' is " + tensor
                    + "; a vector of at most 4096 F32, F16 or BF16 values is needed");
        }
        float[] values = new float[(int) tensor.elements()];
        Dequantizer.dequantize(tensor.dtype(), tensor.data(), 0, values, 0, values.length);
        List<Object> out = new ArrayList<>();
        for (float value : values) {
            out.add((double) value);
        }
        return out;
    }
}
