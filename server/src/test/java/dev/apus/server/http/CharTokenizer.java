package dev.apus.server.http;

import dev.apus.models.tokenizer.Detokenizer;
import dev.apus.models.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** A token is a UTF-16 unit. */
final class CharTokenizer implements Tokenizer {
    static final int SIZE = 65536;

    @Override
    public int size() {
        return SIZE;
    }

    @Override
    public int[] encode(String text, boolean addSpecialTokens, boolean parseSpecialTokens) {
        return text.chars().toArray();
    }

    @Override
    public String decode(int[] ids, boolean skipSpecialTokens) {
        return new String(ids, 0, ids.length);
    }

    @Override
    public Detokenizer detokenizer(boolean skipSpecialTokens) {
        return new Detokenizer() {
            private String half = "";

            // As real ones do: half a character is no text yet.
            @Override
            public String add(int id) {
                String text = half + token(id);
                boolean whole = !Character.isHighSurrogate((char) id);
                half = whole ? "" : text;
                return whole ? text : "";
            }

            @Override
            public String finish() {
                return half;
            }
        };
    }

    @Override
    public byte[] tokenBytes(int id) {
        return token(id).getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public String token(int id) {
        return String.valueOf((char) id);
    }

    @Override
    public int id(String token) {
        return token.charAt(0);
    }

    @Override
    public boolean isSpecial(int id) {
        return false;
    }

    @Override
    public int bosId() {
        return -1;
    }

    @Override
    public List<Integer> eosIds() {
        return List.of(0);
    }

    @Override
    public int padId() {
        return -1;
    }

    @Override
    public void close() {}
}
