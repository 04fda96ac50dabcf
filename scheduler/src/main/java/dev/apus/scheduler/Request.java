package dev.apus.scheduler;

/**
 * One sequence to generate, immutable; the only thing that goes into the engine besides commands.
 *
 * @param id unique among the requests in flight; chosen by the front end
 * @param prompt token ids, at least one; not to be modified afterwards
 * @param params how to sample
 * @param priority lower runs first, as in vLLM; 0 is usual
 * @param cacheSalt separates prefix-cache entries of tenants; empty shares
 * @param arrivalNanos {@link System#nanoTime} at which the front end saw the request
 */
public record Request(
        String id, int[] prompt, SamplingParams params, int priority, String cacheSalt, long arrivalNanos) {
    public Request {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("the prompt is empty, it must hold at least one token");
        }
    }
}
