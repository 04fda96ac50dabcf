package dev.apus.models.hub;

import dev.apus.kernels.ApusException;

/** A model could not be fetched or its source is wrong; the message names the source, what it answered and what to do. */
public class HubException extends ApusException {
    private static final long serialVersionUID = 1L;

    public HubException(String message) {
        super(message);
    }

    public HubException(String message, Throwable cause) {
        super(message, cause);
    }
}
