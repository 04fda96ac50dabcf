package dev.apus.models.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Stands in for the tokenizer of a model that has none (dummy weights). Text becomes one token per UTF-8 byte, its id the byte, modulo the
 * size of the vocabulary; each token becomes one printable ASCII character, its own where its id is one, so that printable ASCII comes back
 * as it was and a client can count what it is sent. There are no special tokens.
 */
public final class ByteTokenizer implements Tokenizer {
    private static final int FIRST_PRINTABLE = 0x20;
    private static final int PRINTABLES = 0x7f - FIRST_PRINTABLE;

    private final int vocabSize;

    /** @param vocabSize ids are below it */
    public ByteTokenizer(int vocabSize) {
        if (vocabSize < 1) {
            throw new IllegalArgumentException("the vocabulary has " + vocabSize + " tokens, must have 1 or more");
        }
        this.vocabSize = vocabSize;
    }

    @Override
    public int size() {
        return vocabSize;
    }

    @Override
    public int[] encode(String text, boolean addSpecialTokens, boolean parseSpecialTokens) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int[] ids = new int[bytes.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (bytes[i] & 0xff) % vocabSize;
        }
        return ids;
    }

    @Override
    public String decode(int[] ids, boolean skipSpecialTokens) {
        StringBuilder text = new StringBuilder(ids.length);
        for (int id : ids) {
            text.append(character(id));
        }
        return text.toString();
    }

    private static char character(int id) {
        return (char) (FIRST_PRINTABLE + Math.floorMod(id - FIRST_PRINTABLE, PRINTABLES));
    }

    @Override
    public Detokenizer detokenizer(boolean skipSpecialTokens) {
        return new Detokenizer() {
            @Override
            public String add(int id) {
                return String.valueOf(character(id));
            }

            @Override
            public String finish() {
                return "";
            }
        };
    }

    @Override
    public byte[] tokenBytes(int id) {
        return new byte[] {(byte) character(id)};
    }

    @Override
    public @Nullable String token(int id) {
        return id >= 0 && id < vocabSize ? String.valueOf(character(id)) : null;
    }

    @Override
    public int id(String token) {
        int id = token.length() == 1 ? token.charAt(0) : -1;
        return id >= FIRST_PRINTABLE && id < FIRST_PRINTABLE + PRINTABLES && id < vocabSize ? id : -1;
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
        return List.of();
    }

    @Override
    public int padId() {
        return -1;
    }

    @Override
    public void close() {
        // holds nothing
    }
}
