package dev.apus.server.http;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Takes one answer of the engine's. Either {@link #part} until {@link #end}, or {@link #whole}; then {@link #done} in any case. */
public interface CallOutput {
    /** What the engine did for all choices. */
    record Usage(int promptTokens, int completionTokens, int cachedTokens) {}

    /** The answer's id, before all else. */
    void begin(String answerId);

    /** What a choice has to tell since the part before. On the event loop; the part is valid during the call. */
    void part(Part part);

    /** All choices have ended. On the event loop. */
    void end(Usage usage);

    /** The whole answer, if it is not streamed. On any thread. */
    void whole(List<Part> parts, Usage usage);

    /**
     * Nothing more comes. On the event loop.
     *
     * @param error why the answer is not complete; null if it is
     * @param left to be called on the event loop when the last byte has left for the client, or never will
     */
    void done(@Nullable ApiException error, Runnable left);
}
