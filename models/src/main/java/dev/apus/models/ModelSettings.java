package dev.apus.models;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What files beside the tensors say about generating; see {@link Checkpoint}'s accessors of the same names. */
record ModelSettings(
        String name,
        Map<String, Double> generationDefaults,
        Set<Integer> eosIds,
        @Nullable String chatTemplate,
        Map<String, String> templateVariables) {
    /** Keys of generation_config.json that are sampling defaults; their names are vLLM's too. */
    static final List<String> SAMPLING_KEYS = List.of(
            "temperature",
            "top_k",
            "top_p",
            "min_p",
            "repetition_penalty",
            "presence_penalty",
            "frequency_penalty",
            "max_new_tokens");

    static final List<String> TOKEN_KEYS = List.of("bos_token", "eos_token", "pad_token", "unk_token");

    ModelSettings {
        generationDefaults = Collections.unmodifiableMap(new LinkedHashMap<>(generationDefaults));
        eosIds = Collections.unmodifiableSet(new LinkedHashSet<>(eosIds));
        templateVariables = Collections.unmodifiableMap(new LinkedHashMap<>(templateVariables));
    }
}
