package dev.apus.models.tokenizer;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads the tokenizer that a GGUF file carries in its {@code tokenizer.ggml.*} keys. */
final class GgufTokenizer {
    private static final String PREFIX = "tokenizer.ggml.";
    /** Texts that end a turn whatever the file says: many files name one EOS only. llama.cpp does the same. */
    private static final Set<String> ENDS = Set.of(
            "<|eot_id|>",
            "<|im_end|>",
            "<|end|>",
            "<|return|>",
            "<|call|>",
            "<end_of_turn>",
            "<|endoftext|>",
            "<|end_of_text|>",
            "<|eom_id|>",
            "<EOT>",
            "<end_of_utterance>");

    private final String source;
    private final Map<String, Object> metadata;
    private final List<String> tokens;
    private final int[] types;

    GgufTokenizer(String source, Map<String, Object> metadata) {
        this.source = source;
        this.metadata = metadata;
        this.tokens = strings("tokens");
        this.types = types();
    }

    Tokenizer open() {
        TokenizerJson json = new TokenizerJson(source, json());
        return new EngineTokenizer(source, json, json.vocabulary(), ids());
    }

    private String json() {
        String model = string("model", "");
        return switch (model) {
            case "gpt2" -> byteLevel();
            case "llama" -> sentencePiece(false);
            case "t5" -> sentencePiece(true);
            default ->
                throw new TokenizerException(source + ": " + PREFIX + "model is \"" + model
                        + "\"; supported are gpt2, llama and t5; put the model's tokenizer.json beside its weights and open the folder"
                        + " instead");
        };
    }

    private String byteLevel() {
        PreTokenizers pre = PreTokenizers.named(string("pre", "gpt-2"), source);
        JsonBuilder builder = new JsonBuilder()
                .normalizer(pre.nfc() ? Map.of("type", "NFC") : null)
                .preTokenizer(pre.json())
                .decoder(Map.of("type", "ByteLevel", "add_prefix_space", true, "trim_offsets", true, "use_regex", true))
                .around(
                        flag("add_bos_token", pre.addBos()) ? number("bos_token_id", -1) : -1,
                        flag("add_eos_token", false) ? number("eos_token_id", -1) : -1,
                        tokens);
        for (int id = 0; id < tokens.size(); id++) {
            if (types[id] == SpmVocabulary.CONTROL || types[id] == SpmVocabulary.USER_DEFINED) {
                builder.add(new AddedToken(id, tokens.get(id), types[id] == SpmVocabulary.CONTROL));
            }
        }
        List<String> lines = strings("merges");
        List<String[]> merges = new ArrayList<>(lines.size());
        for (String line : lines) {
            int cut = line.indexOf(' ', 1);
            if (cut < 0) {
                throw new TokenizerException(
                        source + ": " + PREFIX + "merges holds \"" + line + "\", which is no pair of tokens");
            }
            merges.add(new String[] {line.substring(0, cut), line.substring(cut + 1)});
        }
        return builder.bpe(tokens, merges, Map.of("ignore_merges", pre.ignoreMerges()));
    }

    private String sentencePiece(boolean unigram) {
        List<?> values = list("scores");
        double[] scores = new double[tokens.size()];
        for (int id = 0; id < scores.length && id < values.size(); id++) {
            scores[id] = ((Number) values.get(id)).doubleValue();
        }
        List<?> map = metadata.get(PREFIX + "precompiled_charsmap") instanceof List<?> list ? list : List.of();
        byte[] charsMap = new byte[map.size()];
        for (int i = 0; i < charsMap.length; i++) {
            charsMap[i] = ((Number) map.get(i)).byteValue();
        }
        return new SpmVocabulary(
                        source,
                        tokens,
                        scores,
                        types,
                        unigram,
                        flag("add_space_prefix", true),
                        flag("remove_extra_whitespaces", unigram),
                        charsMap,
                        flag("add_bos_token", !unigram) ? number("bos_token_id", 1) : -1,
                        flag("add_eos_token", unigram) ? number("eos_token_id", unigram ? 1 : 2) : -1)
                .json();
    }

    private SpecialIds ids() {
        Set<Integer> eos = new LinkedHashSet<>();
        for (String key : List.of("eos_token_id", "eot_token_id", "eom_token_id")) {
            int id = number(key, -1);
            if (id >= 0) {
                eos.add(id);
            }
        }
        for (int id = 0; id < tokens.size(); id++) {
            if (ENDS.contains(tokens.get(id))) {
                eos.add(id);
            }
        }
        if (tokens.contains("<|return|>") && tokens.contains("<|call|>")) {
            eos.remove(tokens.indexOf("<|end|>")); // in gpt-oss it ends a message, not the turn
        }
        return new SpecialIds(number("bos_token_id", -1), List.copyOf(eos), number("padding_token_id", -1));
    }

    private int[] types() {
        List<?> values = metadata.get(PREFIX + "token_type") instanceof List<?> list ? list : List.of();
        int[] result = new int[tokens.size()];
        for (int id = 0; id < result.length; id++) {
            result[id] = id < values.size() ? ((Number) values.get(id)).intValue() : 1;
        }
        return result;
    }

    private List<?> list(String key) {
        if (metadata.get(PREFIX + key) instanceof List<?> list) {
            return list;
        }
        throw new TokenizerException(
                source + ": the file has no " + PREFIX + key + ", so it carries no usable tokenizer");
    }

    private List<String> strings(String key) {
        List<String> result = new ArrayList<>();
        for (Object value : list(key)) {
            result.add((String) value);
        }
        return result;
    }

    private String string(String key, String otherwise) {
        return metadata.get(PREFIX + key) instanceof String text ? text : otherwise;
    }

    private int number(String key, int otherwise) {
        @Nullable Object value = metadata.get(PREFIX + key);
        return value instanceof Number number ? number.intValue() : otherwise;
    }

    private boolean flag(String key, boolean otherwise) {
        return metadata.get(PREFIX + key) instanceof Boolean value ? value : otherwise;
    }
}
