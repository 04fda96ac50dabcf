package dev.apus.models.tokenizer;

import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A SentencePiece vocabulary, out of its own file or a GGUF file, and its translation.
 *
 * @param source names the file in messages
 * @param pieces strings by id
 * @param scores scores by id: log probabilities (Unigram) or merge priorities (BPE)
 * @param types 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
 * @param unigram whether the model is Unigram, else BPE
 * @param dummyPrefix whether a space is put before the text
 * @param tidySpaces whether runs of spaces become one, and spaces around the text go
 * @param charsMap the compiled normalization rules; may be empty
 * @param before id put before a prompt, or -1
 * @param after id put after a prompt, or -1
 */
record SpmVocabulary(
        String source,
        List<String> pieces,
        double[] scores,
        int[] types,
        boolean unigram,
        boolean dummyPrefix,
        boolean tidySpaces,
        byte[] charsMap,
        int before,
        int after) {
    static final int UNKNOWN = 2;
    static final int CONTROL = 3;
    static final int USER_DEFINED = 4;
    static final int BYTE = 6;
    private static final String SPACE = "\u2581";

    String json() {
        JsonBuilder builder =
                new JsonBuilder().normalizer(normalizer()).decoder(decoder()).around(before, after, pieces);
        int unknown = -1;
        boolean bytes = false;
        for (int id = 0; id < pieces.size(); id++) {
            int type = types[id];
            if (type == CONTROL || type == USER_DEFINED || type == UNKNOWN) {
                builder.add(new AddedToken(id, pieces.get(id), type != USER_DEFINED));
            }
            unknown = type == UNKNOWN && unknown < 0 ? id : unknown;
            bytes |= type == BYTE;
        }
        if (unigram) {
            if (unknown < 0) {
                throw new TokenizerException(source + ": the Unigram vocabulary has no unknown piece (type 2)");
            }
            return builder.unigram(pieces, scores, unknown, bytes);
        }
        Map<String, Object> flags = new HashMap<>(Map.of("byte_fallback", bytes, "fuse_unk", true));
        if (unknown >= 0) {
            flags.put("unk_token", pieces.get(unknown));
        }
        return builder.bpe(pieces, merges(), flags);
    }

    private Object normalizer() {
        List<Object> steps = new ArrayList<>();
        if (charsMap.length > 0) {
            steps.add(Map.of(
                    "type",
                    "Precompiled",
                    "precompiled_charsmap",
                    Base64.getEncoder().encodeToString(charsMap)));
        }
        if (tidySpaces) {
            steps.add(Map.of("type", "Replace", "pattern", Map.of("Regex", "^ +| +$"), "content", ""));
            steps.add(Map.of("type", "Replace", "pattern", Map.of("Regex", " {2,}"), "content", " "));
        }
        if (dummyPrefix) {
            steps.add(Map.of("type", "Prepend", "prepend", SPACE));
        }
        steps.add(Map.of("type", "Replace", "pattern", Map.of("String", " "), "content", SPACE));
        return Map.of("type", "Sequence", "normalizers", steps);
    }

    private Object decoder() {
        List<Object> steps = new ArrayList<>();
        steps.add(Map.of("type", "Replace", "pattern", Map.of("String", SPACE), "content", " "));
        steps.add(Map.of("type", "ByteFallback"));
        steps.add(Map.of("type", "Fuse"));
        if (dummyPrefix) {
            steps.add(Map.of("type", "Strip", "content", " ", "start", 1, "stop", 0));
        }
        return Map.of("type", "Sequence", "decoders", steps);
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
     * right part, all descending; equal ones by the ids of their parts.
     */
    private List<String[]> merges() {
        Map<String, Integer> ids = HashMap.newHashMap(pieces.size());
        for (int id = 0; id < pieces.size(); id++) {
            ids.put(pieces.get(id), id);
        }
        List<Merge> merges = new ArrayList<>(2 * pieces.size());
        for (int id = 0; id < pieces.size(); id++) {
            if (types[id] == CONTROL || types[id] == UNKNOWN || types[id] == BYTE) {
                continue;
            }
            String piece = pieces.get(id);
            List<Merge> local = new ArrayList<>();
            for (int cut = 1; cut < piece.length(); cut++) {
                if (Character.isLowSurrogate(piece.charAt(cut))) {
                    continue;
                }
                String left = piece.substring(0, cut);
                if (ids.containsKey(left) && ids.containsKey(piece.substring(cut))) {
                    local.add(new Merge(left, piece.substring(cut), scores[id]));
                }
            }
            local.sort(Comparator.<Merge>comparingInt(m -> ids.getOrDefault(m.left, 0))
                    .thenComparingInt(m -> ids.getOrDefault(m.right, 0)));
            merges.addAll(local);
        }
        merges.sort(Comparator.comparingDouble(Merge::score)
                .thenComparingInt(Merge::leftLength)
                .thenComparingInt(Merge::rightLength)
                .reversed());
        return merges.stream().map(m -> new String[] {m.left, m.right}).toList();
    }
}
