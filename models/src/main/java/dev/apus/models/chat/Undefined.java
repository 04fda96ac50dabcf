package dev.apus.models.chat;

/**
 * A name without a value: empty and false, and an error as soon as it is worked with.
 *
 * @param message what the error says
 */
record Undefined(String message) {
    static Undefined name(String name) {
        return new Undefined("UndefinedError: '" + name + "' is undefined");
    }

    JinjaError error() {
        return new JinjaError(message);
    }
}
