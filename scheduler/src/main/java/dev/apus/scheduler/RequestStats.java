package dev.apus.scheduler;

/**
 * How far the engine is with a request at one moment.
 *
 * @param id the request's
 * @param state what the engine does with it
 * @param promptTokens tokens of its prompt
 * @param cachedTokens those of them that were found in the prefix cache when it was first scheduled
 * @param computedTokens tokens of prompt and output whose keys and values are in the KV cache; 0 while it holds no blocks
 * @param preemptions times that it was preempted
 */
public record RequestStats(
        String id, State state, int promptTokens, int cachedTokens, int computedTokens, int preemptions) {
    /** What the engine does with a request. */
    public enum State {
        /** It is queued and nothing of it was computed yet. */
        WAITING,
        /** Its prompt or its output is being computed. */
        RUNNING,
        /** It gave its blocks back, and waits to be computed anew. */
        PREEMPTED
    }
}
