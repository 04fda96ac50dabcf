package dev.apus.models.tokenizer;

import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A tokenizer that encodes with Hugging Face's engine and decodes with {@link DecodePlan}. */
final class EngineTokenizer implements Tokenizer {
    private final String source;
    private final NativeEngine engine;
    private final Vocabulary vocabulary;
    private final @Nullable DecodePlan plan;
    private final SpecialIds special;
    private final Object plainLock = new Object();
    /** Kept until the engine for plain text is built; most servers never need it. */
    private @Nullable EngineText json;

    private @Nullable NativeEngine plain;
    private boolean closed;

    /**
     * Builds the engine.
     *
     * @param source names the tokenizer in messages
     * @param plan the decoder; null to decode in the engine
     */
    EngineTokenizer(
            String source, EngineText json, Vocabulary vocabulary, @Nullable DecodePlan plan, SpecialIds special) {
        this.source = source;
        this.json = json;
        this.vocabulary = vocabulary;
        this.special = special;
        this.plan = plan;
        this.engine = new NativeEngine(json.text(), source);
    }

    @Override
    public int size() {
        return vocabulary.size();
    }

    @Override
    public int[] encode(String text, boolean addSpecialTokens, boolean parseSpecialTokens) {
        NativeEngine chosen = parseSpecialTokens ? engine : plain();
        return chosen.encode(wellFormed(text), addSpecialTokens);
    }

    private NativeEngine plain() {
        synchronized (plainLock) {
            if (closed) {
                throw new IllegalStateException("the tokenizer is closed");
            }
            EngineText pending = json;
            if (pending != null) {
                String text = pending.plain();
                plain = text == null ? engine : new NativeEngine(text, source);
                json = null;
            }
            return Objects.requireNonNull(plain);
        }
    }

    /** Half a surrogate pair has no UTF-8: the engine would garble the text around it. It becomes U+FFFD. */
    private static String wellFormed(String text) {
        int length = text.length();
        for (int i = 0; i < length; i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                if (Character.charCount(text.codePointAt(i)) == 1) {
                    return repaired(text);
                }
                i++;
            }
        }
        return text;
    }

    private static String repaired(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints()
                .forEach(c ->
                        out.appendCodePoint(c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE ? 0xFFFD : c));
        return out.toString();
    }

    @Override
    public String decode(int[] ids, boolean skipSpecialTokens) {
        if (plan == null) {
            return engine.decode(ids, skipSpecialTokens);
        }
        StringBuilder out = new StringBuilder();
        DecodeStage stage = plan.open(out);
        for (int id : ids) {
            String token = vocabulary.token(id);
            if (token != null && !(skipSpecialTokens && vocabulary.isSpecial(id))) {
                stage.push(token);
            }
        }
        stage.end();
        return out.toString();
    }

    @Override
    public Detokenizer detokenizer(boolean skipSpecialTokens) {
        return plan == null
                ? new EngineDetokenizer(engine, skipSpecialTokens)
                : new StagedDetokenizer(vocabulary, plan, skipSpecialTokens);
    }

    @Override
    public byte[] tokenBytes(int id) {
        String token = vocabulary.token(id);
        if (token == null) {
            return new byte[0];
        }
        if (vocabulary.isSpecial(id)) {
            return DecodeStep.utf8(token);
        }
        return plan == null ? DecodeStep.utf8(engine.decode(new int[] {id}, false)) : plan.bytes(token);
    }

    @Override
    public @Nullable String token(int id) {
        return vocabulary.token(id);
    }

    @Override
    public int id(String token) {
        return vocabulary.id(token);
    }

    @Override
    public boolean isSpecial(int id) {
        return vocabulary.isSpecial(id);
    }

    @Override
    public int bosId() {
        return special.bos();
    }

    @Override
    public List<Integer> eosIds() {
        return special.eos();
    }

    @Override
    public int padId() {
        return special.pad();
    }

    @Override
    public void close() {
        synchronized (plainLock) {
            closed = true;
            if (plain != null) {
                plain.close();
            }
        }
        engine.close();
    }
}
