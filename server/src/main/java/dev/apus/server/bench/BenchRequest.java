package dev.apus.server.bench;

import org.jspecify.annotations.Nullable;

/**
 * One request of a benchmark.
 *
 * @param prompt token ids; empty where {@code text} is given
 * @param text the prompt as text, or null
 * @param outputTokens tokens to generate, whatever the model says
 */
public record BenchRequest(int[] prompt, @Nullable String text, int outputTokens) {}
