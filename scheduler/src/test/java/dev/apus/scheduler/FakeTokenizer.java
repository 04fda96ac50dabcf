package dev.apus.scheduler;

import dev.apus.models.tokenizer.Detokenizer;
import dev.apus.models.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Ids are letters: 10 and 36 are 'a', and so on. */
final class FakeTokenizer implements Tokenizer {
    @Override
    public int size() {
        return FakeRunner.VOCAB;
    }

    @Override
    public int[] encode(String text, boolean addSpecialTokens, boolean parseSpecialTokens) {
        return text.chars().map(c -> 10 + c % 26).toArray();
    }

    @Override
    public String decode(int[] ids, boolean skipSpecialTokens) {
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(token(id));
        }
        return text.toString();
    }

    @Override
    public Detokenizer detokenizer(boolean skipSpecialTokens) {
        return new Detokenizer() {
            @Override
            public String add(int id) {
                return token(id);
            }

            @Override
            public String finish() {
                return "";
            }
        };
    }

    @Override
    public byte[] tokenBytes(int id) {
        return token(id).getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public String token(int id) {
        return String.valueOf((char) ('a' + (id + 16) % 26));
    }

    @Override
    public int id(@Nullable String token) {
        return token == null ? -1 : 10 + token.charAt(0) - 'a';
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
        return List.of(5);
    }

    @Override
    public int padId() {
        return -1;
    }

    @Override
    public void close() {}
}
