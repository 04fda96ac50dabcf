package dev.apus.server.cli;

/** Something that the user can mend; the message is all that is printed. */
sealed class UserException extends RuntimeException permits UsageException {
    private static final long serialVersionUID = 1L;

    UserException(String message) {
        super(message);
    }

    UserException(String message, Throwable cause) {
        super(message, cause);
    }
}
