package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** {@code bad_words}: from texts that may not be said to tokens that may not follow one another, as vLLM does it. */
final class BadWords {
    /** Each is looked for at every token. */
    private static final int MOST_WORDS = 128;

    private static final int MOST_LENGTH = 256;

    private BadWords() {}

    /**
     * The token sequences of the request's bad words: each at the beginning of a text, and in its middle, behind a space, where that
     * begins with another token.
     */
    static List<List<Integer>> read(Fields fields, Tokenizer tokenizer) {
        List<List<Integer>> sequences = new ArrayList<>();
        for (String word : fields.strings("bad_words", MOST_WORDS)) {
            String bare = word.stripLeading();
            if (bare.isEmpty() || bare.length() > MOST_LENGTH) {
                throw ApiException.invalid(
                        "bad_words",
                        "a string of 'bad_words' has " + bare.length() + " characters, must have 1 to " + MOST_LENGTH);
            }
            int[] first = tokenizer.encode(bare, false, true);
            int[] later = tokenizer.encode(" " + bare, false, true);
            add(sequences, first);
            if (later.length > 0 && first.length == later.length && later[0] != first[0]) {
                add(sequences, later);
            }
        }
        return sequences;
    }

    private static void add(List<List<Integer>> sequences, int[] ids) {
        if (ids.length > 0) {
            sequences.add(Arrays.stream(ids).boxed().toList());
        }
    }
}
