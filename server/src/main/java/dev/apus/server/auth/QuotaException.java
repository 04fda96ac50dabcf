package dev.apus.server.auth;

/** A tenant has taken what it may for now. */
public final class QuotaException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int retryAfterSeconds;

    QuotaException(String message, int retryAfterSeconds) {
        // An expected outcome of a request: nobody reads its stack.
        super(message, null, false, false);
        this.retryAfterSeconds = retryAfterSeconds;
    }

    /** When there will be enough, or 0 if never for this request. */
    public int retryAfterSeconds() {
        return retryAfterSeconds;
    }
}
