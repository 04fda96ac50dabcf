package dev.apus.models.tokenizer;

/** Turns a growing sequence of ids into text, O(1) per token. Not thread-safe: one per stream. */
public interface Detokenizer {
    /** Adds a token and returns the text that is now certain; empty while a UTF-8 character is incomplete. */
    String add(int id);

    /** Ends the sequence and returns what was held back, incomplete bytes as U+FFFD. */
    String finish();
}
