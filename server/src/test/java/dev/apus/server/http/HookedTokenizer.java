package dev.apus.server.http;

import dev.apus.models.tokenizer.Detokenizer;
import dev.apus.models.tokenizer.Tokenizer;
import java.util.List;
import java.util.function.Consumer;

/** A {@link CharTokenizer} that first shows a text to the test, on the thread that encodes it. */
final class HookedTokenizer implements Tokenizer {
    private final CharTokenizer chars = new CharTokenizer();
    private final Consumer<String> onEncode;

    HookedTokenizer(Consumer<String> onEncode) {
        this.onEncode = onEncode;
    }

    @Override
    public int size() {
        return chars.size();
    }

    @Override
    public int[] encode(String text, boolean addSpecialTokens, boolean parseSpecialTokens) {
        onEncode.accept(text);
        return chars.encode(text, addSpecialTokens, parseSpecialTokens);
    }

    @Override
    public String decode(int[] ids, boolean skipSpecialTokens) {
        return chars.decode(ids, skipSpecialTokens);
    }

    @Override
    public Detokenizer detokenizer(boolean skipSpecialTokens) {
        return chars.detokenizer(skipSpecialTokens);
    }

    @Override
    public byte[] tokenBytes(int id) {
        return chars.tokenBytes(id);
    }

    @Override
    public String token(int id) {
        return chars.token(id);
    }

    @Override
    public int id(String token) {
        return chars.id(token);
    }

    @Override
    public boolean isSpecial(int id) {
        return chars.isSpecial(id);
    }

    @Override
    public int bosId() {
        return chars.bosId();
    }

    @Override
    public List<Integer> eosIds() {
        return chars.eosIds();
    }

    @Override
    public int padId() {
        return chars.padId();
    }

    @Override
    public void close() {}
}
