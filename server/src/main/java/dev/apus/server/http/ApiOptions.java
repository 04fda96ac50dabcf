package dev.apus.server.http;

/**
 * What the server's owner decides about requests for text.
 *
 * @param reasoningParser how thoughts are told from answers: vLLM's name of a parser, {@code auto} (by the tags in the vocabulary) or
 *     {@code none}
 * @param trustRequestChatTemplate whether a request may bring its own chat template
 * @param maxStoredResponses most responses of the Responses API that are kept
 * @param maxStoredResponseBytes most bytes of heap that they take, about
 */
public record ApiOptions(
        String reasoningParser, boolean trustRequestChatTemplate, int maxStoredResponses, long maxStoredResponseBytes) {
    /** Some days of a busy assistant. */
    public static final int MOST_STORED = 10_000;

    private static final long MOST_STORED_BYTES = 256L << 20;
    private static final int HEAP_PARTS = 16;

    /** Thoughts are told apart where the model has tags for them; templates are the model's. */
    public static final ApiOptions DEFAULT = new ApiOptions(ReasoningFormat.AUTO, false);

    /** With the usual room for responses. */
    public ApiOptions(String reasoningParser, boolean trustRequestChatTemplate) {
        this(reasoningParser, trustRequestChatTemplate, MOST_STORED, usualStoredBytes());
    }

    /** A sixteenth of the heap, at most 256 MiB. */
    public static long usualStoredBytes() {
        return Math.min(MOST_STORED_BYTES, Runtime.getRuntime().maxMemory() / HEAP_PARTS);
    }

    public ApiOptions {
        if (maxStoredResponses < 1) {
            throw new IllegalArgumentException("max-stored-responses is " + maxStoredResponses + ", must be 1 or more");
        }
        if (maxStoredResponseBytes < 1) {
            throw new IllegalArgumentException(
                    "max-stored-response-bytes is " + maxStoredResponseBytes + ", must be 1 or more");
        }
        if (!ReasoningFormat.isName(reasoningParser)) {
            throw new IllegalArgumentException(
                    "reasoning-parser is '" + reasoningParser + "', must be one of " + ReasoningFormat.names());
        }
    }
}
