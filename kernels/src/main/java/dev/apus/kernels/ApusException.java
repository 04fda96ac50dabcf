package dev.apus.kernels;

import org.jspecify.annotations.Nullable;

/** Base of the failures that Apus tells its user of: the message says what is wrong and what to do, a stack trace would add nothing. */
public abstract class ApusException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    protected ApusException(String message) {
        super(message);
    }

    protected ApusException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
