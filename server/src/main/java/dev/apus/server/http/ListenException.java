package dev.apus.server.http;

/** An address cannot be listened on; the message says why and what to do. */
public final class ListenException extends IllegalStateException {
    private static final long serialVersionUID = 1L;

    ListenException(String message, Throwable cause) {
        super(message, cause);
    }
}
