package dev.apus.models;

import dev.apus.loaders.CheckpointException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads what sentence-transformers keeps beside a model: modules.json, a Pooling module's config.json, sentence_bert_config.json and
 * config_sentence_transformers.json.
 */
final class SentenceFiles {
    /** A tokenizer_config.json without a length has 1e30 there. */
    private static final int MOST_TOKENS = 1 << 24;

    private static final int MOST_PROMPTS = 1000;

    private final Path folder;
    private final JsonFiles json;

    SentenceFiles(Path folder, JsonFiles json) {
        this.folder = folder;
        this.json = json;
    }

    private @Nullable ConfigReader optional(String name) {
        Path file = folder.resolve(name);
        return Files.isRegularFile(file) ? new ConfigReader(file.toString(), json.object(file), Map.of()) : null;
    }

    /**
     * What the files say.
     *
     * @param absent for a folder without modules.json
     */
    PoolingSettings read(Pooling absent) {
        Pooling pooling = absent;
        boolean normalise = true;
        Path modules = folder.resolve("modules.json");
        if (Files.isRegularFile(modules)) {
            normalise = false;
            for (Object item : json.list(modules)) {
                if (!(item instanceof Map<?, ?> module)) {
                    throw new CheckpointException(modules + ": a module is no object");
                }
                String type = String.valueOf(module.get("type"));
                switch (type.substring(type.lastIndexOf('.') + 1)) {
                    case "Transformer" -> requireTop(modules, module);
                    case "Pooling" -> pooling = pooling(String.valueOf(module.get("path")));
                    case "Normalize" -> normalise = true;
                    default ->
                        throw new CheckpointException(modules + ": a module is of type " + ConfigReader.quote(type)
                                + "; Transformer, Pooling and Normalize are supported");
                }
            }
        }
        return prompts(new PoolingSettings(pooling, normalise, Map.of(), null, maxTokens()));
    }

    private static void requireTop(Path modules, Map<?, ?> module) {
        Object path = module.get("path");
        if (path != null && !path.equals("")) {
            throw new CheckpointException(modules + ": the Transformer is in " + ConfigReader.quote(path)
                    + "; it must be in the folder itself: serve that folder");
        }
    }

    private Pooling pooling(String path) {
        Path config = folder.resolve(path).resolve("config.json").normalize();
        if (!config.startsWith(folder.normalize())) {
            throw new CheckpointException(folder + "/modules.json: the Pooling module's path is "
                    + ConfigReader.quote(path) + ", which leads outside the folder");
        }
        ConfigReader keys = new ConfigReader(config.toString(), json.object(config), Map.of());
        if (!keys.flag("include_prompt", true)) {
            throw keys.fault("include_prompt", "true: a prompt's tokens are pooled like the others");
        }
        if (keys.has("pooling_mode")) {
            try {
                return Pooling.of(keys.text("pooling_mode", ""));
            } catch (IllegalArgumentException e) {
                throw new CheckpointException(config + ": " + e.getMessage(), e);
            }
        }
        Map<String, Pooling> flags = Map.of(
                "pooling_mode_cls_token", Pooling.CLS,
                "pooling_mode_mean_tokens", Pooling.MEAN,
                "pooling_mode_max_tokens", Pooling.MAX,
                "pooling_mode_mean_sqrt_len_tokens", Pooling.MEAN_SQRT_LEN,
                "pooling_mode_weightedmean_tokens", Pooling.WEIGHTED_MEAN,
                "pooling_mode_lasttoken", Pooling.LAST);
        List<Pooling> set = flags.entrySet().stream()
                .filter(flag -> keys.flag(flag.getKey(), false))
                .map(Map.Entry::getValue)
                .toList();
        if (set.size() != 1) {
            throw new CheckpointException(
                    config + ": " + set.size() + " of the flags pooling_mode_* are true; exactly one is supported");
        }
        return set.getFirst();
    }

    private int maxTokens() {
        ConfigReader sentence = optional("sentence_bert_config.json");
        if (sentence != null && sentence.has("max_seq_length")) {
            return sentence.integer("max_seq_length", 1, MOST_TOKENS);
        }
        ConfigReader tokenizer = optional("tokenizer_config.json");
        if (tokenizer != null && tokenizer.value("model_max_length") instanceof Number length) {
            double value = length.doubleValue();
            return value >= 1 && value <= MOST_TOKENS ? (int) value : 0;
        }
        return 0;
    }

    private PoolingSettings prompts(PoolingSettings settings) {
        ConfigReader keys = optional("config_sentence_transformers.json");
        Map<String, String> prompts = new LinkedHashMap<>();
        ConfigReader named = keys == null ? null : keys.object("prompts");
        if (keys == null || named == null) {
            return settings;
        }
        if (named.size() > MOST_PROMPTS) {
            throw keys.fault("prompts", "an object of at most " + MOST_PROMPTS + " prompts");
        }
        for (String name : named.keys()) {
            prompts.put(name, named.text(name, ""));
        }
        String byDefault = keys.text("default_prompt_name", "");
        if (!byDefault.isEmpty() && !prompts.containsKey(byDefault)) {
            throw keys.fault("default_prompt_name", "one of the prompts' names " + prompts.keySet());
        }
        return new PoolingSettings(
                settings.pooling(),
                settings.normalise(),
                prompts,
                byDefault.isEmpty() ? null : byDefault,
                settings.maxTokens());
    }
}
