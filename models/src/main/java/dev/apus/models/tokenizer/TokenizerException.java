package dev.apus.models.tokenizer;

import dev.apus.kernels.ApusException;
import org.jspecify.annotations.Nullable;

/** A tokenizer cannot be read, is of a kind that is not supported, or its native engine cannot be loaded; the message says which. */
public final class TokenizerException extends ApusException {
    private static final long serialVersionUID = 1L;

    public TokenizerException(String message) {
        super(message);
    }

    public TokenizerException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
