package dev.apus.server.http;

import dev.apus.models.tokenizer.Detokenizer;
import dev.apus.models.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** A token is a UTF-16 unit; one of them may be special and begin each text. */
final class CharTokenizer implements Tokenizer {
    static final int SIZE = 65536;

    private final int bos;

    CharTokenizer() {
        this(-1);
    }

    /** @param bos the unit that special tokens are, or -1 for none */
    CharTokenizer(int bos) {
        this.bos = bos;
    }

    @Override
    public int size() {
        return SIZE;
    }

    @Override
    public int[] encode(String text, boolean addSpecialTokens, boolean parseSpecialTokens) {
        String whole = addSpecialTokens && bos >= 0 ? token(bos) + text : text;
        return whole.chars().toArray();
    }

    @Override
    public String decode(int[] ids, boolean skipSpecialTokens) {
        String text = new String(ids, 0, ids.length);
        return skipSpecialTokens && bos >= 0 ? text.replace(token(bos), "") : text;
    }

    @Override
    public Detokenizer detokenizer(boolean skipSpecialTokens) {
        return new Detokenizer() {
            private String half = "";

            // As real ones do: half a character is no text yet.
            @Override
            public String add(int id) {
                if (skipSpecialTokens && isSpecial(id)) {
                    return "";
                }
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
        return token.length() == 1 ? token.charAt(0) : -1;
    }

    @Override
    public boolean isSpecial(int id) {
        return id == bos;
    }

    @Override
    public int bosId() {
        return bos;
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
