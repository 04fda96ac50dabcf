package dev.apus.server.http;

import dev.apus.kernels.ApusException;

/** An address cannot be listened on; the message says why and what to do. */
public final class ListenException extends ApusException {
    private static final long serialVersionUID = 1L;

    ListenException(String message, Throwable cause) {
        super(message, cause);
    }
}
