package dev.apus.models.chat;

/** Python's None: a value of its own, so that a null reference never means one. */
enum None {
    NONE
}
