package dev.apus.models.tokenizer;

/**
 * A token found in the text before the model sees it.
 *
 * @param id its id
 * @param content its text
 * @param special whether it is control, not text: skipped when decoding for people, and never made from plain text
 */
record AddedToken(int id, String content, boolean special) {}
