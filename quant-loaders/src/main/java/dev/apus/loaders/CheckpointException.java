package dev.apus.loaders;

import dev.apus.kernels.ApusException;

/** A checkpoint file is damaged, hostile or of an unsupported kind; the message names the file, the tensor or key, and the fault. */
public final class CheckpointException extends ApusException {
    private static final long serialVersionUID = 1L;

    public CheckpointException(String message) {
        super(message);
    }

    public CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }
}
