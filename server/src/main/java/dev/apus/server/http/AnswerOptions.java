package dev.apus.server.http;

import org.jspecify.annotations.Nullable;

/**
 * How an answer is made of what the model says.
 *
 * @param reasoning how thoughts are told from the answer; null if they are not
 * @param withinThought whether the model begins in the middle of one
 * @param includeReasoning whether thoughts are sent
 * @param streamInterval tokens between two chunks of a stream, after the first
 * @param repetition what ends a text that goes in circles, or null
 * @param bestOf sequences to generate for a prompt, of which the likeliest {@code n} are sent
 */
record AnswerOptions(
        @Nullable ReasoningFormat reasoning,
        boolean withinThought,
        boolean includeReasoning,
        int streamInterval,
        RepetitionDetector.@Nullable Limits repetition,
        int bestOf) {

    /** The same for a prompt that leaves the model in the middle of a thought, or does not. */
    AnswerOptions within(boolean thought) {
        return new AnswerOptions(reasoning, thought, includeReasoning, streamInterval, repetition, bestOf);
    }
}
