package dev.apus.models.chat;

/** A template is malformed, raised an exception of its own, or passed a limit on steps, depth or output. */
public final class ChatTemplateException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public ChatTemplateException(String message) {
        super(message);
    }
}
