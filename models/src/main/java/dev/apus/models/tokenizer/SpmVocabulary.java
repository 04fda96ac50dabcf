package dev.apus.models.tokenizer;

import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * A SentencePiece vocabulary, out of its own file or a GGUF file, and its translation.
 *
 * @param source names the file in messages
 * @param pieces strings by id
 * @param scores scores by id: log probabilities (Unigram) or merge priorities (BPE)
 * @param types 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
 * @param unigram whether the model is Unigram, else BPE
 * @param rules how text is prepared
 */
record SpmVocabulary(String source, List<String> pieces, double[] scores, int[] types, boolean unigram, Rules rules) {
    static final int NORMAL = 1;
    static final int UNKNOWN = 2;
    static final int CONTROL = 3;
    static final int USER_DEFINED = 4;
    static final int BYTE = 6;
    private static final String SPACE = "\u2581";
    /** Deriving merges takes time by the square of a piece's length; real pieces have up to 100 characters. */
    private static final int MAX_PIECE_CHARS = 1024;

    /** Where the dummy prefix (a space before the text) goes. */
    enum Prefix {
        NONE,
        /** Before the text. */
        FIRST,
        /** Before the text and after every added token, as SentencePiece is called for each part: "legacy" in Hugging Face. */
        EACH
    }

    /**
     * How text is prepared.
     *
     * @param prefix where a space is put
     * @param tidySpaces whether runs of spaces become one, and spaces around the text go
     * @param charsMap the compiled normalization rules; may be empty
     * @param wholeUserDefined whether user-defined pieces are found by the model in the prepared text and stay whole (as SentencePiece
     *     does), rather than in the raw text as added tokens (as GGUF files mean it)
     */
    record Rules(Prefix prefix, boolean tidySpaces, byte[] charsMap, boolean wholeUserDefined) {}

    /**
     * The translation.
     *
     * @param tokens the pieces and what configuration adds to them
     * @param postProcessor see {@link TokenizerDescription#around}
     */
    TokenizerDescription describe(TokenTable tokens, @Nullable Object postProcessor) {
        int unknown = -1;
        boolean bytes = false;
        for (int id = 0; id < types.length; id++) {
            unknown = types[id] == UNKNOWN && unknown < 0 ? id : unknown;
            bytes |= types[id] == BYTE;
        }
        String wholes = rules.wholeUserDefined() ? wholes() : "";
        TokenizerDescription.Model model;
        if (!unigram) {
            model = new TokenizerDescription.Model.Bpe(merges(), !wholes.isEmpty(), bytes, unknown);
        } else if (unknown < 0) {
            throw new TokenizerException(source + ": the Unigram vocabulary has no unknown piece (type 2)");
        } else {
            model = new TokenizerDescription.Model.Unigram(scores, bytes, unknown);
        }
        return new TokenizerDescription(
                tokens.tokens(), model, tokens.added(), normalizer(), preTokenizer(wholes), postProcessor, decoder());
    }

    /** The pieces, with those that are found in the raw text as added tokens. */
    TokenTable table() {
        TokenTable table = new TokenTable(source, pieces);
        for (int id = 0; id < types.length; id++) {
            int type = types[id];
            if (type == CONTROL || type == UNKNOWN || (type == USER_DEFINED && !rules.wholeUserDefined())) {
                table.own(id, type != USER_DEFINED);
            }
        }
        return table;
    }

    private Object normalizer() {
        List<Object> steps = new ArrayList<>();
        if (rules.charsMap().length > 0) {
            CharsMap.check(source, rules.charsMap());
            steps.add(Map.of(
                    "type",
                    "Precompiled",
                    "precompiled_charsmap",
                    Base64.getEncoder().encodeToString(rules.charsMap())));
        }
        if (rules.tidySpaces()) {
            steps.add(replace("Regex", "\\A +| +\\z", ""));
            steps.add(replace("Regex", " {2,}", " "));
        }
        if (rules.prefix() == Prefix.EACH) {
            steps.add(Map.of("type", "Prepend", "prepend", SPACE));
        }
        steps.add(replace("String", " ", SPACE));
        return Map.of("type", "Sequence", "normalizers", steps);
    }

    private static Object replace(String kind, String pattern, String content) {
        return Map.of("type", "Replace", "pattern", Map.of(kind, pattern), "content", content);
    }

    private @Nullable Object preTokenizer(String wholes) {
        List<Object> steps = new ArrayList<>();
        if (rules.prefix() == Prefix.FIRST) {
            steps.add(Map.of("type", "Metaspace", "replacement", SPACE, "prepend_scheme", "first", "split", false));
        }
        if (!wholes.isEmpty()) {
            steps.add(Map.of(
                    "type", "Split", "pattern", Map.of("Regex", wholes), "behavior", "Isolated", "invert", false));
        }
        return steps.isEmpty() ? null : Map.of("type", "Sequence", "pretokenizers", steps);
    }

    /** A pattern that finds user-defined pieces, the longest first. */
    private String wholes() {
        List<String> found = new ArrayList<>();
        for (int id = 0; id < types.length; id++) {
            if (types[id] == USER_DEFINED) {
                found.add(pieces.get(id));
            }
        }
        found.sort(Comparator.comparingInt(String::length).reversed());
        StringBuilder pattern = new StringBuilder();
        for (String piece : found) {
            pattern.append(pattern.isEmpty() ? "" : "|");
            piece.codePoints().forEach(c -> {
                // what is a letter in no alphabet of patterns means itself, escaped or not
                if (c < 128 && !Character.isLetterOrDigit(c) && c > ' ') {
                    pattern.append('\\');
                }
                pattern.appendCodePoint(c);
            });
        }
        return pattern.toString();
    }

    private DecodePlan decoder() {
        List<DecodeStep> steps = new ArrayList<>(
                List.of(new DecodeStep.Replace(SPACE, " "), new DecodeStep.ByteFallback(), new DecodeStep.Fuse()));
        if (rules.prefix() != Prefix.NONE) {
            steps.add(new DecodeStep.Strip(' ', 1, 0));
        }
        return new DecodePlan(steps);
    }

    private record Merge(String left, String right, double score) {
        int leftLength() {
            return left.codePointCount(0, left.length());
        }

        int rightLength() {
            return right.codePointCount(0, right.length());
        }
    }

    /**
     * Merges that build the pieces, in the order transformers derives them: by score of the whole, then by length of the left and the
     * right part, all descending; equal ones by the ids of their parts. A piece with a space in it is left out: prepared text has none.
     */
    private List<String> merges() {
        Map<String, Integer> ids = HashMap.newHashMap(pieces.size());
        IntPredicate merged = id -> rules.wholeUserDefined()
                ? types[id] == NORMAL
                : types[id] != CONTROL && types[id] != UNKNOWN && types[id] != BYTE;
        for (int id = 0; id < pieces.size(); id++) {
            if (merged.test(id) && pieces.get(id).indexOf(' ') < 0) {
                ids.put(pieces.get(id), id);
            }
        }
        List<Merge> merges = new ArrayList<>(2 * pieces.size());
        ids.forEach((piece, id) -> cuts(piece, id, ids, merges));
        merges.sort(Comparator.comparingDouble(Merge::score)
                .thenComparingInt(Merge::leftLength)
                .thenComparingInt(Merge::rightLength)
                .reversed()
                .thenComparingInt(m -> ids.getOrDefault(m.left, 0))
                .thenComparingInt(m -> ids.getOrDefault(m.right, 0)));
        return merges.stream().map(m -> m.left + " " + m.right).toList();
    }

    private void cuts(String piece, int id, Map<String, Integer> ids, List<Merge> merges) {
        if (piece.length() > MAX_PIECE_CHARS) {
            throw new TokenizerException(source + ": piece " + id + " has " + piece.length() + " characters; at most "
                    + MAX_PIECE_CHARS + " are supported");
        }
        for (int cut = 1; cut < piece.length(); cut++) {
            if (Character.isLowSurrogate(piece.charAt(cut))) {
                continue;
            }
            String left = piece.substring(0, cut);
            if (ids.containsKey(left)) {
                String right = piece.substring(cut);
                if (ids.containsKey(right)) {
                    merges.add(new Merge(left, right, scores[id]));
                }
            }
        }
    }
}
