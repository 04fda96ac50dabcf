package dev.apus.scheduler;

import dev.apus.kernels.ApusException;

/** The engine could not finish a generation. */
public final class GenerationException extends ApusException {
    private static final long serialVersionUID = 1L;

    private final boolean retryable;

    public GenerationException(String message, boolean retryable) {
        super(message);
        this.retryable = retryable;
    }

    /** Whether the same request may succeed later. */
    public boolean retryable() {
        return retryable;
    }
}
