package dev.apus.models.tokenizer;

import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Token strings by id and ids by string, added tokens included. Immutable. */
final class Vocabulary {
    private final @Nullable String[] tokens;
    private final Map<String, Integer> ids;
    private final BitSet special = new BitSet();

    /**
     * @param model the model's strings by id, null where an id has none
     * @param added tokens beside the model; their strings win, as in Hugging Face
     */
    Vocabulary(@Nullable String[] model, List<AddedToken> added) {
        int size = model.length;
        for (AddedToken token : added) {
            size = Math.max(size, token.id() + 1);
        }
        tokens = new String[size];
        System.arraycopy(model, 0, tokens, 0, model.length);
        ids = HashMap.newHashMap(size);
        for (int id = 0; id < model.length; id++) {
            String token = model[id];
            if (token != null) {
                ids.put(token, id);
            }
        }
        Set<String> specialTexts = new HashSet<>();
        for (AddedToken token : added) {
            tokens[token.id()] = token.content();
            ids.put(token.content(), token.id());
            if (token.special()) {
                specialTexts.add(token.content());
            }
        }
        for (int id = 0; id < size; id++) {
            special.set(id, tokens[id] != null && specialTexts.contains(tokens[id]));
        }
    }

    int size() {
        return tokens.length;
    }

    @Nullable
    String token(int id) {
        return id >= 0 && id < tokens.length ? tokens[id] : null;
    }

    int id(String token) {
        return ids.getOrDefault(token, -1);
    }

    boolean isSpecial(int id) {
        return id >= 0 && special.get(id);
    }
}
