package dev.apus.scheduler;

import java.util.ArrayList;
import java.util.List;

/**
 * One sequence to generate, immutable; the only thing that goes into the engine besides commands.
 *
 * @param id unique among the requests in flight; chosen by the front end
 * @param prompt token ids, at least one; not to be modified afterwards
 * @param params how to sample
 * @param priority lower runs first, as in vLLM; 0 is usual
 * @param cacheSalt separates prefix-cache entries of tenants; empty shares
 * @param arrivalNanos {@link System#nanoTime} at which the front end saw the request
 * @param timeoutNanos after how long since its arrival the request fails if it is not done; 0 means never
 */
public record Request(
        String id,
        int[] prompt,
        SamplingParams params,
        int priority,
        String cacheSalt,
        long arrivalNanos,
        long timeoutNanos) {
    public Request {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("the prompt is empty, it must hold at least one token");
        }
        if (timeoutNanos < 0) {
            throw new IllegalArgumentException("the timeout is " + timeoutNanos + " ns, must be 0 (none) or more");
        }
    }

    /** A request without a time limit. */
    public Request(String id, int[] prompt, SamplingParams params, int priority, String cacheSalt, long arrivalNanos) {
        this(id, prompt, params, priority, cacheSalt, arrivalNanos, 0);
    }

    /** A request of usual priority that arrives now. */
    public Request(String id, int[] prompt, SamplingParams params) {
        this(id, prompt, params, 0, "", System.nanoTime(), 0);
    }

    /**
     * The {@code n} sequences of a request for {@code n} choices: ids {@code id-0} and so on, seeds counted up as vLLM does. Submitted
     * together they compute the full blocks of their prompt once.
     */
    public List<Request> choices(int n) {
        List<Request> choices = new ArrayList<>(n);
        for (int i = 0; i < n; i++) {
            choices.add(new Request(
                    id + "-" + i,
                    prompt,
                    params.withSeed(params.seed() + i),
                    priority,
                    cacheSalt,
                    arrivalNanos,
                    timeoutNanos));
        }
        return choices;
    }
}
