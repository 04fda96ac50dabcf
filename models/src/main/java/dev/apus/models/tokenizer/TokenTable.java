package dev.apus.models.tokenizer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** A vocabulary's strings by id while added tokens are gathered: they take a free id, or name one anew. */
final class TokenTable {
    /** Ids that may lie between a vocabulary and its added tokens; known files skip a few hundred. */
    private static final int MAX_GAP = 100_000;

    private final String source;
    private final List<@Nullable String> tokens;
    private final Map<String, Integer> ids;
    private final Map<Integer, AddedToken> added = new TreeMap<>();

    /**
     * Starts with a model's own strings.
     *
     * @param source names the file in messages
     * @param model strings by id, null where an id has none; of equal ones the first is found by its text
     */
    TokenTable(String source, List<? extends @Nullable String> model) {
        this.source = source;
        this.tokens = new ArrayList<>(model);
        this.ids = HashMap.newHashMap(model.size());
        for (int id = 0; id < model.size(); id++) {
            String token = model.get(id);
            if (token != null) {
                ids.putIfAbsent(token, id);
            }
        }
    }

    /**
     * Adds a token, or makes one of the model an added one. Its text replaces what the id was called.
     *
     * @throws TokenizerException if the id is far beyond the vocabulary, the text is empty, or another id has it
     */
    void put(AddedToken token) {
        int id = token.id();
        int limit = tokens.size() + MAX_GAP;
        if (id < 0 || id >= limit) {
            throw fault(token, "allowed are ids from 0 to " + (limit - 1));
        }
        if (token.content().isEmpty()) {
            throw fault(token, "its text must not be empty");
        }
        Integer other = ids.get(token.content());
        if (other != null && other != id) {
            throw fault(token, "that text is token " + other + " already");
        }
        while (tokens.size() <= id) {
            tokens.add(null);
        }
        String old = tokens.set(id, token.content());
        if (old != null) {
            ids.remove(old, id);
        }
        ids.put(token.content(), id);
        added.put(id, token);
    }

    /** Adds a token unless its id or its text is taken. */
    void putIfFree(AddedToken token) {
        boolean taken = token.id() < tokens.size() && tokens.get(token.id()) != null;
        if (!taken && id(token.content()) < 0) {
            put(token);
        }
    }

    private TokenizerException fault(AddedToken token, String why) {
        return new TokenizerException(
                source + ": the added token \"" + token.content() + "\" has the id " + token.id() + "; " + why);
    }

    /** Makes a token of the model an added one; nothing happens if a lower id has the same text, which then stands for both. */
    void own(int id, boolean special) {
        String content = tokens.get(id);
        if (content != null && id(content) == id) {
            put(new AddedToken(id, content, special));
        }
    }

    /** Makes a text a special token: the one with this text, or a new one after the last. */
    void special(String content) {
        int found = id(content);
        int id = found < 0 ? tokens.size() : found;
        AddedToken known = added.get(id);
        put(new AddedToken(id, content, true, known == null ? AddedToken.Match.EXACT : known.match()));
    }

    /** Id of a text, or -1. */
    int id(String content) {
        return ids.getOrDefault(content, -1);
    }

    /** Strings by id, null where an id has none. */
    @Nullable
    String[] tokens() {
        return tokens.toArray(new @Nullable String[0]);
    }

    /** Added tokens by id. */
    List<AddedToken> added() {
        return List.copyOf(added.values());
    }
}
