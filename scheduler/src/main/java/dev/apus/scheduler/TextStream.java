package dev.apus.scheduler;

import dev.apus.models.tokenizer.Detokenizer;
import dev.apus.models.tokenizer.Tokenizer;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * From a request's tokens to its text: detokenises, leaves out the stop token, and ends at a stop string. When {@link #stopped} the
 * caller aborts the request in the engine; tokens that it still made are ignored here. Not thread-safe: one per stream.
 */
public final class TextStream {
    private final Detokenizer detokenizer;
    private final StopMatcher matcher;
    private final Set<Integer> stopIds;
    private final int minTokens;
    private int tokens;

    /**
     * @param stops strings that end the text
     * @param includeStop whether stop strings and stop tokens belong to the text
     * @param skipSpecialTokens whether special tokens give no text
     * @param stopIds ids that end the request, whose text is left out unless {@code includeStop}
     * @param minTokens stop strings are not looked for in the text of the first so many tokens
     */
    public TextStream(
            Tokenizer tokenizer,
            List<String> stops,
            boolean includeStop,
            boolean skipSpecialTokens,
            Set<Integer> stopIds,
            int minTokens) {
        detokenizer = tokenizer.detokenizer(skipSpecialTokens);
        matcher = new StopMatcher(stops, includeStop);
        this.stopIds = includeStop ? Set.of() : Set.copyOf(stopIds);
        this.minTokens = minTokens;
    }

    /** Adds a token and returns the text that is now certain, maybe none. */
    public String add(int id) {
        if (stopped()) {
            return "";
        }
        tokens++;
        if (stopIds.contains(id)) {
            return "";
        }
        String piece = detokenizer.add(id);
        return tokens <= minTokens ? piece : matcher.add(piece);
    }

    /** Adds tokens until the text ends. */
    public String add(int[] ids) {
        if (ids.length == 1) {
            return add(ids[0]);
        }
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(add(id));
        }
        return text.toString();
    }

    /** Ends the stream and returns the text that was held back. */
    public String finish() {
        if (stopped()) {
            return "";
        }
        String rest = matcher.add(detokenizer.finish());
        return stopped() ? rest : rest + matcher.finish();
    }

    /** Whether a stop string has ended the text. */
    public boolean stopped() {
        return matcher.matched() != null;
    }

    /** The stop string that ended the text, or null. */
    public @Nullable String matchedStop() {
        return matcher.matched();
    }

    /** Tokens up to the end of the text: what the client pays for. */
    public int tokens() {
        return tokens;
    }
}
