package dev.apus.models.tokenizer;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A tokenizer that comes in another format than {@code tokenizer.json}, and its translation into one for the engine.
 *
 * @param tokens the vocabulary's strings by id, those of added tokens included; null where an id has none
 * @param model how words become tokens
 * @param added tokens found in the text before the model sees it; each has its text in {@code tokens}, too
 * @param normalizer as in tokenizer.json, maps and lists; null for none
 * @param preTokenizer likewise
 * @param postProcessor likewise; see {@link #around}
 * @param decoder from token strings back to text; runs here, so the engine is not told
 */
record TokenizerDescription(
        @Nullable String[] tokens,
        Model model,
        List<AddedToken> added,
        @Nullable Object normalizer,
        @Nullable Object preTokenizer,
        @Nullable Object postProcessor,
        DecodePlan decoder)
        implements EngineText {
    /** Characters that JSON puts around a token or a merge, about, and the length of a token. */
    private static final int CHARS_PER_TOKEN = 24;

    /** From words to tokens. */
    sealed interface Model {
        /**
         * Byte-pair encoding.
         *
         * @param merges pairs of token strings joined by one space, best first
         * @param wholeWords whether a word that is a token is taken without merging
         * @param byteFallback whether an unknown character becomes {@code <0xNN>} tokens
         * @param unknown id of the unknown token, of which a run is one, or -1
         */
        record Bpe(List<String> merges, boolean wholeWords, boolean byteFallback, int unknown) implements Model {}

        /**
         * The most probable cut.
         *
         * @param scores log probabilities by id; ids beyond its end have the lowest
         */
        record Unigram(double[] scores, boolean byteFallback, int unknown) implements Model {}

        /** The longest token that fits, word by word; tokens within a word start with {@code ##}. */
        record WordPiece(int unknown) implements Model {}
    }

    /** A post-processor that puts a token before and one after every prompt, -1 for none; null if both are. */
    static @Nullable Object around(int before, int after, @Nullable String[] tokens) {
        List<Object> start = special(before, tokens);
        List<Object> end = special(after, tokens);
        if (start.isEmpty() && end.isEmpty()) {
            return null;
        }
        Map<String, Object> ids = new TreeMap<>();
        for (int id : new int[] {before, after}) {
            String text = id >= 0 && id < tokens.length ? tokens[id] : null;
            if (text != null) {
                ids.put(text, Map.of("id", text, "ids", List.of(id), "tokens", List.of(text)));
            }
        }
        Object first = Map.of("Sequence", Map.of("id", "A", "type_id", 0));
        Object second = Map.of("Sequence", Map.of("id", "B", "type_id", 1));
        return Map.of(
                "type",
                "TemplateProcessing",
                "single",
                Stream.of(start, List.of(first), end).flatMap(List::stream).toList(),
                "pair",
                Stream.of(start, List.of(first), end, List.of(second))
                        .flatMap(List::stream)
                        .toList(),
                "special_tokens",
                ids);
    }

    private static List<Object> special(int id, @Nullable String[] tokens) {
        String text = id >= 0 && id < tokens.length ? tokens[id] : null;
        return text == null ? List.of() : List.of(Map.of("SpecialToken", Map.of("id", text, "type_id", 0)));
    }

    Vocabulary vocabulary() {
        return new Vocabulary(tokens, added);
    }

    @Override
    public String text() {
        return write(tokens, added, Set.of());
    }

    /**
     * {@inheritDoc}
     *
     * <p>Special tokens are no added tokens here. A model that takes a whole word from its vocabulary would still find them, so there they
     * get a name that no input can hold: it carries a fresh random number.
     */
    @Override
    public @Nullable String plain() {
        Set<String> special = new HashSet<>();
        for (AddedToken token : added) {
            if (token.special()) {
                special.add(token.content());
            }
        }
        if (special.isEmpty()) {
            return null;
        }
        List<AddedToken> kept = added.stream()
                .filter(token -> !special.contains(token.content()))
                .toList();
        if (model instanceof Model.Bpe bpe && !bpe.wholeWords()) {
            return write(tokens, kept, Set.of());
        }
        String salt = "\uE000" + UUID.randomUUID() + "-";
        @Nullable String[] renamed = tokens.clone();
        for (int id = 0; id < renamed.length; id++) {
            if (special.contains(renamed[id])) {
                renamed[id] = salt + id;
            }
        }
        return write(renamed, kept, special);
    }

    private String write(@Nullable String[] names, List<AddedToken> found, Set<String> gone) {
        int merges = model instanceof Model.Bpe bpe ? bpe.merges().size() : 0;
        JsonText json = new JsonText(CHARS_PER_TOKEN * (names.length + merges) + 4096);
        json.raw("{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
        String separator = "";
        for (AddedToken token : found) {
            json.raw(separator);
            write(token, json);
            separator = ",";
        }
        json.raw("],\"normalizer\":").value(normalizer);
        json.raw(",\"pre_tokenizer\":").value(preTokenizer);
        json.raw(",\"post_processor\":").value(postProcessor);
        json.raw(",\"decoder\":null,\"model\":{");
        switch (model) {
            case Model.Bpe bpe -> {
                json.raw("\"type\":\"BPE\",\"ignore_merges\":").flag(bpe.wholeWords());
                json.raw(",\"fuse_unk\":").flag(bpe.unknown() >= 0);
                json.raw(",\"byte_fallback\":").flag(bpe.byteFallback());
                json.raw(",\"unk_token\":").value(bpe.unknown() < 0 ? null : names[bpe.unknown()]);
                vocabulary(names, json);
                merges(bpe.merges(), gone, json);
            }
            case Model.WordPiece words -> {
                json.raw(
                        "\"type\":\"WordPiece\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100");
                json.raw(",\"unk_token\":").value(names[words.unknown()]);
                vocabulary(names, json);
            }
            case Model.Unigram unigram -> {
                json.raw("\"type\":\"Unigram\",\"byte_fallback\":").flag(unigram.byteFallback());
                json.raw(",\"unk_id\":").number(unigram.unknown());
                scored(names, unigram.scores(), json);
            }
        }
        return json.raw("}}").toString();
    }

    private static void write(AddedToken token, JsonText json) {
        AddedToken.Match match = token.match();
        json.raw("{\"id\":").number(token.id()).raw(",\"content\":").string(token.content());
        json.raw(",\"single_word\":")
                .flag(match.singleWord())
                .raw(",\"lstrip\":")
                .flag(match.lstrip());
        json.raw(",\"rstrip\":").flag(match.rstrip()).raw(",\"normalized\":").flag(match.normalized());
        json.raw(",\"special\":").flag(token.special()).raw('}');
    }

    private static void vocabulary(@Nullable String[] names, JsonText json) {
        json.raw(",\"vocab\":{");
        String separator = "";
        for (int id = 0; id < names.length; id++) {
            String name = names[id];
            if (name != null) {
                json.raw(separator).string(name).raw(':').number(id);
                separator = ",";
            }
        }
        json.raw('}');
    }

    private static void merges(List<String> merges, Set<String> gone, JsonText json) {
        json.raw(",\"merges\":[");
        String separator = "";
        for (String merge : merges) {
            if (gone.isEmpty() || !touches(merge, gone)) {
                json.raw(separator).string(merge);
                separator = ",";
            }
        }
        json.raw(']');
    }

    private static boolean touches(String merge, Set<String> gone) {
        int cut = merge.indexOf(' ');
        String left = merge.substring(0, cut);
        String right = merge.substring(cut + 1);
        return gone.contains(left) || gone.contains(right) || gone.contains(left + right);
    }

    /** A Unigram vocabulary is a list, so an id without a string gets one that no input can hold. */
    private static void scored(@Nullable String[] names, double[] scores, JsonText json) {
        double lowest = Arrays.stream(scores).min().orElse(0);
        String salt = "\uE000" + UUID.randomUUID() + "-unused-";
        json.raw(",\"vocab\":[");
        for (int id = 0; id < names.length; id++) {
            String name = names[id];
            json.raw(id == 0 ? "[" : ",[").string(name == null ? salt + id : name);
            json.raw("," + (id < scores.length ? scores[id] : lowest) + "]");
        }
        json.raw(']');
    }
}
