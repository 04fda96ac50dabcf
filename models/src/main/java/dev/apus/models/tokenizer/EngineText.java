package dev.apus.models.tokenizer;

import org.jspecify.annotations.Nullable;

/** A tokenizer in the only form that the engine takes: the text of a {@code tokenizer.json}. */
interface EngineText {
    /** The tokenizer that finds special tokens in its input. */
    String text();

    /** The same tokenizer to which a special token's text is plain text; null if it has no special tokens. */
    @Nullable
    String plain();
}
