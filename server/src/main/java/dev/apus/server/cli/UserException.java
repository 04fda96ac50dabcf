package dev.apus.server.cli;

import dev.apus.kernels.ApusException;

/** Something that the user can mend; the message is all that is printed. */
sealed class UserException extends ApusException permits UsageException {
    private static final long serialVersionUID = 1L;

    UserException(String message) {
        super(message);
    }

    UserException(String message, Throwable cause) {
        super(message, cause);
    }
}
