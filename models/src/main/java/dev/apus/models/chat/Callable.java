package dev.apus.models.chat;

/** Something a template can call. */
interface Callable {
    Object call(Arguments arguments);

    /** How Python prints it. */
    String describe();
}
