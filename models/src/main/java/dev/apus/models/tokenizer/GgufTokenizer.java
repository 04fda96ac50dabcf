package dev.apus.models.tokenizer;

import java.util.ArrayList;
import java.util.HashMap;
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
        TokenizerDescription description = description();
        return new EngineTokenizer(source, description, description.vocabulary(), description.decoder(), ids());
    }

    private TokenizerDescription description() {
        String model = string("model", "");
        return switch (model) {
            case "gpt2" -> byteLevel();
            case "llama" -> sentencePiece(false);
            case "t5" -> sentencePiece(true);
            case "bert" -> wordPiece();
            default ->
                throw new TokenizerException(source + ": " + PREFIX + "model is \"" + model
                        + "\"; supported are bert, gpt2, llama and t5; put the model's tokenizer.json beside its weights and open the"
                        + " folder instead");
        };
    }

    private TokenizerDescription byteLevel() {
        PreTokenizers pre = PreTokenizers.named(string("pre", "gpt-2"), source);
        TokenTable table = new TokenTable(source, tokens);
        for (int id = 0; id < tokens.size(); id++) {
            if (types[id] == SpmVocabulary.CONTROL || types[id] == SpmVocabulary.USER_DEFINED) {
                table.own(id, types[id] == SpmVocabulary.CONTROL);
            }
        }
        List<String> merges = strings("merges");
        for (String merge : merges) {
            int cut = merge.indexOf(' ');
            if (cut <= 0 || cut == merge.length() - 1 || merge.indexOf(' ', cut + 1) >= 0) {
                throw new TokenizerException(
                        source + ": " + PREFIX + "merges holds \"" + merge + "\", which is no pair of tokens");
            }
        }
        return new TokenizerDescription(
                table.tokens(),
                new TokenizerDescription.Model.Bpe(merges, pre.ignoreMerges(), false, -1),
                table.added(),
                pre.nfc() ? Map.of("type", "NFC") : null,
                pre.json(),
                around(pre.addBos(), false, -1, -1, table),
                new DecodePlan(List.of(new DecodeStep.ByteLevel())));
    }

    private TokenizerDescription sentencePiece(boolean unigram) {
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
        SpmVocabulary vocabulary = new SpmVocabulary(
                source,
                tokens,
                scores,
                types,
                unigram,
                new SpmVocabulary.Rules(
                        flag("add_space_prefix", true) ? SpmVocabulary.Prefix.EACH : SpmVocabulary.Prefix.NONE,
                        flag("remove_extra_whitespaces", unigram),
                        charsMap,
                        false));
        TokenTable table = vocabulary.table();
        return vocabulary.describe(table, around(!unigram, unigram, 1, unigram ? 1 : 2, table));
    }

    /**
     * A vocabulary of BERT's kind, which GGUF writes in llama.cpp's way: a word's first token starts with U+2581, the others with nothing.
     * The file does not say whether text is lower-cased first; a vocabulary without capitals says it.
     */
    private TokenizerDescription wordPiece() {
        List<@Nullable String> names = new ArrayList<>(tokens.size());
        boolean lowercase = true;
        for (int id = 0; id < tokens.size(); id++) {
            String token = tokens.get(id);
            boolean plain = types[id] == SpmVocabulary.NORMAL && !(token.startsWith("[") && token.endsWith("]"));
            names.add(!plain ? token : token.startsWith("\u2581") ? token.substring(1) : "##" + token);
            lowercase &= !plain || token.codePoints().noneMatch(Character::isUpperCase);
        }
        TokenTable table = new TokenTable(source, names);
        for (int id = 0; id < tokens.size(); id++) {
            if (types[id] == SpmVocabulary.CONTROL || types[id] == SpmVocabulary.UNKNOWN) {
                table.own(id, true);
            }
        }
        int unknown = number("unknown_token_id", table.id("[UNK]"));
        if (unknown < 0 || unknown >= tokens.size()) {
            throw new TokenizerException(source + ": " + PREFIX + "unknown_token_id is " + unknown
                    + "; a bert vocabulary needs one from 0 to " + (tokens.size() - 1));
        }
        int cls = number("cls_token_id", number("bos_token_id", table.id("[CLS]")));
        int sep = number("seperator_token_id", number("separator_token_id", table.id("[SEP]")));
        Map<String, Object> normalizer = new HashMap<>(Map.of(
                "type", "BertNormalizer", "clean_text", true, "handle_chinese_chars", true, "lowercase", lowercase));
        normalizer.put("strip_accents", null);
        return new TokenizerDescription(
                table.tokens(),
                new TokenizerDescription.Model.WordPiece(unknown),
                table.added(),
                normalizer,
                Map.of("type", "BertPreTokenizer"),
                TokenizerDescription.around(cls, sep, table.tokens()),
                new DecodePlan(List.of(new DecodeStep.WordPiece("##", true))));
    }

    private @Nullable Object around(boolean addBos, boolean addEos, int bos, int eos, TokenTable table) {
        return TokenizerDescription.around(
                flag("add_bos_token", addBos) ? number("bos_token_id", bos) : -1,
                flag("add_eos_token", addEos) ? number("eos_token_id", eos) : -1,
                table.tokens());
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
