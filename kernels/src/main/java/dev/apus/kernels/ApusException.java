package dev.apus.kernels;

/** Base of the failures that Apus tells its user of: the message says what is wrong and what to do, a stack trace would add nothing. */
public abstract class ApusException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    protected ApusException(String message) {
        super(message);
    }

    protected ApusException(String message, Throwable cause) {
        super(message, cause);
    }
}
