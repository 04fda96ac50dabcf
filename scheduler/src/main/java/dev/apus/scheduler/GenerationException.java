package dev.apus.scheduler;

/** The engine could not finish a generation. */
public final class GenerationException extends RuntimeException {
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
