package dev.apus.models.chat;

/**
 * A fault inside the interpreter, named as Python names it. It carries no line: {@link JinjaTemplate} knows the line and turns it into a
 * {@link ChatTemplateException}.
 */
final class JinjaError extends RuntimeException {
    private static final long serialVersionUID = 1L;

    JinjaError(String message) {
        super(message, null, false, false);
    }

    static JinjaError type(String message) {
        return new JinjaError("TypeError: " + message);
    }

    static JinjaError value(String message) {
        return new JinjaError("ValueError: " + message);
    }
}
