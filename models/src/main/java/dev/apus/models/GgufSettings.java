package dev.apus.models;

import dev.apus.loaders.GgufFile;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads what GGUF metadata say about generating. */
final class GgufSettings {
    /** Sampling keys of llama.cpp that are called otherwise in vLLM. */
    private static final Map<String, String> SAMPLING = Map.of(
            "temperature", "temp",
            "repetition_penalty", "penalty_repeat",
            "presence_penalty", "penalty_present",
            "frequency_penalty", "penalty_freq");

    private GgufSettings() {}

    static ModelSettings read(Path file, GgufFile gguf) {
        ConfigReader keys = new ConfigReader(file.toString(), gguf.metadata(), Map.of());
        Map<String, Double> defaults = new LinkedHashMap<>();
        for (String name : ModelSettings.SAMPLING_KEYS) {
            String key = "general.sampling." + SAMPLING.getOrDefault(name, name);
            if (keys.has(key)) {
                defaults.put(name, keys.real(key, -1e9, 1e9));
            }
        }
        Set<Integer> eos = new LinkedHashSet<>();
        for (String kind : List.of("eos", "eot", "eom")) {
            String key = "tokenizer.ggml." + kind + "_token_id";
            if (keys.has(key)) {
                eos.add(keys.integer(key, 0, Integer.MAX_VALUE));
            }
        }
        return new ModelSettings(ModelName.of(file), defaults, eos, template(keys), tokens(keys));
    }

    private static @Nullable String template(ConfigReader keys) {
        return keys.has("tokenizer.chat_template") ? keys.text("tokenizer.chat_template", "") : null;
    }

    private static Map<String, String> tokens(ConfigReader keys) {
        Map<String, String> out = new LinkedHashMap<>();
        List<?> tokens = keys.list("tokenizer.ggml.tokens");
        for (String name : ModelSettings.TOKEN_KEYS) {
            String kind =
                    name.startsWith("pad") ? "padding" : name.startsWith("unk") ? "unknown" : name.substring(0, 3);
            String key = "tokenizer.ggml." + kind + "_token_id";
            if (tokens != null && keys.has(key)) {
                out.put(name, String.valueOf(tokens.get(keys.integer(key, 0, tokens.size() - 1))));
            }
        }
        return out;
    }
}
