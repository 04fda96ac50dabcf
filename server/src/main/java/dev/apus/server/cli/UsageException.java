package dev.apus.server.cli;

import java.util.function.Supplier;

/** A command line that asks for what cannot be: exit status 2, as for an unknown option. */
final class UsageException extends UserException {
    private static final long serialVersionUID = 1L;

    UsageException(String message) {
        super(message);
    }

    private UsageException(String message, Throwable cause) {
        super(message, cause);
    }

    /**
     * What {@code value} makes of options, before anything is loaded.
     *
     * @throws UsageException if an option's value is refused
     */
    static <T> T checked(Supplier<T> value) {
        try {
            return value.get();
        } catch (IllegalArgumentException e) {
            throw new UsageException(String.valueOf(e.getMessage()), e);
        }
    }
}
