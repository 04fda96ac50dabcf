package dev.apus.scheduler;

import java.util.ArrayList;
import java.util.List;

/**
 * One sequence to generate, immutable; the only thing that goes into the engine besides commands.
 *
 * @param id unique among the requests in flight; chosen by the front end
 * @param prompt token ids, at least one; not to be modified afterwards
 * @param params how to sample
 * @param priority lower runs first among the requests of a tenant, as in vLLM; 0 is usual
 * @param cacheSalt separates prefix-cache entries of tenants; empty shares
 * @param arrivalNanos {@link System#nanoTime} at which the front end saw the request
 * @param tenant on whose account it runs
 * @param deadlineNanos after how long since its arrival the request fails if it is not done; 0 means never
 * @param ttftDeadlineNanos after how long since its arrival the request fails if its computation has not begun; 0 means never
 */
public record Request(
        String id,
        int[] prompt,
        SamplingParams params,
        int priority,
        String cacheSalt,
        long arrivalNanos,
        Tenant tenant,
        long deadlineNanos,
        long ttftDeadlineNanos) {
    public Request {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("the prompt is empty, it must hold at least one token");
        }
        if (deadlineNanos < 0) {
            throw new IllegalArgumentException("the deadline is " + deadlineNanos + " ns, must be 0 (none) or more");
        }
        if (ttftDeadlineNanos < 0) {
            throw new IllegalArgumentException(
                    "the deadline of the first token is " + ttftDeadlineNanos + " ns, must be 0 (none) or more");
        }
    }

    /** A request of the default tenant with a time limit; 0 means none. */
    public Request(
            String id,
            int[] prompt,
            SamplingParams params,
            int priority,
            String cacheSalt,
            long arrivalNanos,
            long deadlineNanos) {
        this(id, prompt, params, priority, cacheSalt, arrivalNanos, Tenant.DEFAULT, deadlineNanos, 0);
    }

    /** A request of the default tenant without a time limit. */
    public Request(String id, int[] prompt, SamplingParams params, int priority, String cacheSalt, long arrivalNanos) {
        this(id, prompt, params, priority, cacheSalt, arrivalNanos, 0);
    }

    /** A request of usual priority that arrives now. */
    public Request(String id, int[] prompt, SamplingParams params) {
        this(id, prompt, params, 0, "", System.nanoTime());
    }

    /** The same on another tenant's account. */
    public Request withTenant(Tenant value) {
        return new Request(
                id, prompt, params, priority, cacheSalt, arrivalNanos, value, deadlineNanos, ttftDeadlineNanos);
    }

    /** The same, to be done within so many nanoseconds since its arrival; 0 means without a limit. */
    public Request withDeadlineNanos(long value) {
        return new Request(id, prompt, params, priority, cacheSalt, arrivalNanos, tenant, value, ttftDeadlineNanos);
    }

    /** The same, whose first token is wanted within so many nanoseconds since its arrival; 0 means without a limit. */
    public Request withTtftDeadlineNanos(long value) {
        return new Request(id, prompt, params, priority, cacheSalt, arrivalNanos, tenant, deadlineNanos, value);
    }

    /** The same with another priority. */
    public Request withPriority(int value) {
        return new Request(
                id, prompt, params, value, cacheSalt, arrivalNanos, tenant, deadlineNanos, ttftDeadlineNanos);
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
                    tenant,
                    deadlineNanos,
                    ttftDeadlineNanos));
        }
        return choices;
    }
}
