package dev.apus.server.http;

/**
 * What the server's owner decides about requests for text.
 *
 * @param reasoningParser how thoughts are told from answers: vLLM's name of a parser, {@code auto} (by the tags in the vocabulary) or
 *     {@code none}
 * @param trustRequestChatTemplate whether a request may bring its own chat template
 */
public record ApiOptions(String reasoningParser, boolean trustRequestChatTemplate) {
    /** Thoughts are told apart where the model has tags for them; templates are the model's. */
    public static final ApiOptions DEFAULT = new ApiOptions(ReasoningFormat.AUTO, false);

    public ApiOptions {
        if (!ReasoningFormat.isName(reasoningParser)) {
            throw new IllegalArgumentException(
                    "reasoning-parser is '" + reasoningParser + "', must be one of " + ReasoningFormat.names());
        }
    }
}
