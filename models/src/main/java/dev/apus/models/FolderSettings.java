package dev.apus.models;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads generation_config.json, tokenizer_config.json and the chat template of a Hugging Face folder; each may be missing. */
final class FolderSettings {
    private FolderSettings() {}

    static ModelSettings read(Path folder, JsonFiles json, ConfigReader config) {
        ConfigReader generation = optional(folder.resolve("generation_config.json"), json);
        ConfigReader tokenizer = optional(folder.resolve("tokenizer_config.json"), json);
        Map<String, Double> defaults = new LinkedHashMap<>();
        for (String key : ModelSettings.SAMPLING_KEYS) {
            if (generation.has(key)) {
                defaults.put(key, generation.real(key, -1e9, 1e9));
            }
        }
        Set<Integer> eos = new LinkedHashSet<>();
        addIds(generation, eos);
        addIds(config, eos);
        return new ModelSettings(
                ModelName.of(folder), defaults, eos, template(folder, json, tokenizer), tokens(tokenizer));
    }

    private static ConfigReader optional(Path file, JsonFiles json) {
        Map<String, Object> values = Files.exists(file) ? json.object(file) : Map.of();
        return new ConfigReader(file.toString(), values, Map.of());
    }

    private static void addIds(ConfigReader keys, Set<Integer> ids) {
        Object value = keys.value("eos_token_id");
        if (value instanceof List<?> list) {
            for (Object id : list) {
                if (!(id instanceof Integer number) || number < 0) {
                    throw keys.fault("eos_token_id", "a token id or a list of them");
                }
                ids.add(number);
            }
        } else if (value != null) {
            ids.add(keys.integer("eos_token_id", 0, Integer.MAX_VALUE));
        }
    }

    private static Map<String, String> tokens(ConfigReader tokenizer) {
        Map<String, String> out = new LinkedHashMap<>();
        for (String key : ModelSettings.TOKEN_KEYS) {
            Object value = tokenizer.value(key);
            if (value instanceof Map<?, ?> token) { // an AddedToken with its flags
                value = token.get("content");
            }
            if (value instanceof String text) {
                out.put(key, text);
            } else if (value != null) {
                throw tokenizer.fault(key, "a string or an object with a string content");
            }
        }
        return out;
    }

    private static @Nullable String template(Path folder, JsonFiles json, ConfigReader tokenizer) {
        Path jinja = folder.resolve("chat_template.jinja");
        if (Files.exists(jinja)) {
            return JsonFiles.text(jinja);
        }
        ConfigReader own = optional(folder.resolve("chat_template.json"), json);
        return own.has("chat_template") ? template(own) : template(tokenizer);
    }

    /** A template, or the one called default of a list of named ones. */
    private static @Nullable String template(ConfigReader keys) {
        Object value = keys.value("chat_template");
        if (value instanceof List<?> named) {
            for (Object entry : named) {
                if (entry instanceof Map<?, ?> map
                        && "default".equals(map.get("name"))
                        && map.get("template") instanceof String text) {
                    return text;
                }
            }
            throw keys.fault("chat_template", "a string, or a list with a template named default");
        }
        return value == null ? null : keys.text("chat_template", "");
    }
}
