package dev.apus.server.http;

import java.util.List;

/**
 * Shows one answer in the form of one API, whole or as server-sent events. What is told comes from the {@link Choice}s; how the engine is
 * asked and where the bytes go is the {@link GenerationCall}'s matter. Made for one request. {@link #whole} runs on a virtual thread after
 * everything else, and {@link #failed} with it if it throws; all other calls come on the exchange's event loop. A method may throw an {@link ApiException} to end the answer with it.
 */
interface Renderer {
    /** Appends what a stream begins with before there is a token; called once, when the engine has taken the request. */
    default void open(JsonOut out, List<Choice> choices) {}

    /** The first token has come; called once, streamed or not. */
    default void running() {}

    /** Appends the events of what a choice has to tell. */
    void chunk(JsonOut out, Choice choice);

    /** Appends what ends a stream after the last chunk of every choice. */
    void end(JsonOut out, List<Choice> choices);

    /** Appends what ends a stream that an error has broken off. */
    void error(JsonOut out, ApiException error);

    /**
     * The whole answer's body.
     *
     * @param out empty; long JSON is made in this, or in what has its room
     */
    byte[] whole(JsonOut out, List<Choice> choices);

    /** Whether it needs log-probabilities until the end of a stream, though it has told them. */
    default boolean keepsLogprobs() {
        return false;
    }

    /** The answer ends with an error, which the client is told beside this, streamed or not. */
    default void failed(ApiException error) {}
}
