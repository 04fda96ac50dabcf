package dev.apus.server.http;

import org.jspecify.annotations.Nullable;

/**
 * A prompt as the engine takes it.
 *
 * @param ids its tokens
 * @param text the text that they came from, or null if the client sent ids
 */
record Prompt(int[] ids, @Nullable String text) {}
