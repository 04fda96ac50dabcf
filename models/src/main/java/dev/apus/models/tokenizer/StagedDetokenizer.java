package dev.apus.models.tokenizer;

import org.jspecify.annotations.Nullable;

/** Runs a {@link DecodePlan} over a growing sequence. */
final class StagedDetokenizer implements Detokenizer {
    private final Vocabulary vocabulary;
    private final boolean skipSpecialTokens;
    private final StringBuilder out = new StringBuilder();
    private final DecodeStage stage;

    StagedDetokenizer(Vocabulary vocabulary, DecodePlan plan, boolean skipSpecialTokens) {
        this.vocabulary = vocabulary;
        this.skipSpecialTokens = skipSpecialTokens;
        this.stage = plan.open(out);
    }

    @Override
    public String add(int id) {
        @Nullable String token = vocabulary.token(id);
        if (token != null && !(skipSpecialTokens && vocabulary.isSpecial(id))) {
            stage.push(token);
        }
        return take();
    }

    @Override
    public String finish() {
        stage.end();
        return take();
    }

    private String take() {
        if (out.isEmpty()) {
            return "";
        }
        String text = out.toString();
        out.setLength(0);
        return text;
    }
}
