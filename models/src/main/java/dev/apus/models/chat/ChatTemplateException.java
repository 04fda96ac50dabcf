package dev.apus.models.chat;

import dev.apus.kernels.ApusException;

/** A template is malformed, raised an exception of its own, or passed a limit on steps, depth or output. */
public final class ChatTemplateException extends ApusException {
    private static final long serialVersionUID = 1L;

    public ChatTemplateException(String message) {
        super(message);
    }
}
