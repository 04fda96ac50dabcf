package dev.apus.server.batch;

import org.jspecify.annotations.Nullable;

/** What was asked of files or batches cannot be done; the message says why and what to do. */
public final class BatchException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** What is in the way. */
    public enum Kind {
        /** There is none of that id, or it is another tenant's. */
        NOT_FOUND,
        /** A parameter is wrong. */
        INVALID,
        /** What it is about is in a state that forbids it. */
        CONFLICT,
        /** A file is larger than files may be. */
        TOO_LARGE,
        /** The tenant has stored as much as it may. */
        QUOTA,
        /** The disk is full or fails. */
        DISK,
        /** There are no batches here. */
        OFF
    }

    private final Kind kind;
    private final @Nullable String param;

    BatchException(Kind kind, @Nullable String param, String message, @Nullable Throwable cause) {
        super(message, cause);
        this.kind = kind;
        this.param = param;
    }

    BatchException(Kind kind, String message) {
        this(kind, null, message, null);
    }

    /** What is in the way. */
    public Kind kind() {
        return kind;
    }

    /** The parameter at fault, if it is one. */
    public @Nullable String param() {
        return param;
    }

    static BatchException notFound(String what) {
        return new BatchException(Kind.NOT_FOUND, "there is no " + what + " of this id");
    }
}
