package dev.apus.scheduler;

/**
 * When a request would be served, from the rates of the engine and what is queued before it. A queue moves in steps: so many until enough
 * of the running sequences have ended to leave it a place, at least so many until the prompts before it are computed, each as long as one
 * token of every running sequence takes; and the prompts' own tokens on top:
 *
 * <pre>{@code
 * n = sequences that run;  s = ends that the request waits for;  L = tokens of an answer;  Q = prompt tokens before it
 * steps = max(s L / n, Q / (budget - n))
 * wait = steps (a + b n) + b Q
 * }</pre>
 *
 * <p>Between tenants, by the scheduler's virtual token counters: while what a tenant has queued before the request is served, each other
 * tenant is served as much for its weight, as far as it has anything queued. A tenant with fewer sequences than its share of the places waits for no place.
 *
 * @param plainWaitNanos until its computation begins, by the formula; 0 if nothing is before it
 * @param waitNanos the same as {@link ServiceRates#correction} has it, so that few wait longer
 * @param firstTokenNanos until its first token
 * @param doneNanos until its answer is done, if that has half the usual number of tokens, or {@code max_tokens} if that is less: two in five
 *     answers are shorter
 */
record Forecast(double plainWaitNanos, double waitNanos, double firstTokenNanos, double doneNanos) {
    /** As in {@link Tenants}: what an output token counts. */
    private static final double OUTPUT_COST = 2;

    /** What stands before a request. */
    private record Queue(double tokens, double requests, double running, double waiting, double share) {}

    /**
     * Of a request that comes now.
     *
     * @param loads what all tenants have in the engine
     * @param budget most tokens of a step
     */
    static Forecast of(
            Tenant tenant,
            int priority,
            int promptTokens,
            int maxTokens,
            Iterable<TenantLoad> loads,
            TenantLoad own,
            ServiceRates rates,
            int budget) {
        double output = rates.outputTokens();
        Queue queue = queue(tenant, priority, loads, own, output);
        double places = rates.places();
        double running = Math.min(places, queue.running + queue.waiting + 1);
        double room = Math.max(1, budget - running);
        double computed = rates.computedShare();
        double tokens = queue.tokens * computed;
        double ends = queue.running + queue.requests + 1 - places;
        if (own.running() + own.waitingBefore(priority) + 1 <= Math.max(1, queue.share * places)) {
            ends = 0;
        }
        double steps = Math.max(Math.max(0, ends) * output / running, tokens / room);
        double step = rates.stepNanos() + rates.tokenNanos() * running;
        double plain = steps * step + rates.tokenNanos() * tokens;
        double wait = plain * rates.correction();
        double ownTokens = promptTokens * computed;
        double first = wait + Math.max(1, ownTokens / room) * step + rates.tokenNanos() * ownTokens;
        double answer = Math.min(maxTokens, Math.max(1, output / 2));
        return new Forecast(plain, wait, first, first + (answer - 1) * step);
    }

    private static Queue queue(Tenant tenant, int priority, Iterable<TenantLoad> loads, TenantLoad own, double output) {
        double tokens = own.tokensBefore(priority);
        double requests = own.waitingBefore(priority);
        double cost = (tokens + OUTPUT_COST * output * requests) / tenant.weight();
        double running = 0;
        double waiting = 0;
        double weights = 0;
        for (TenantLoad load : loads) {
            running += load.running();
            waiting += load.waiting();
            weights += load.weight;
            double all = load.tokens() + OUTPUT_COST * output * load.waiting();
            if (load != own && all > 0) {
                double part = Math.min(1, cost * load.weight / all);
                tokens += part * load.tokens();
                requests += part * load.waiting();
            }
        }
        double share = tenant.weight() / Math.max(tenant.weight(), weights);
        return new Queue(tokens, requests, running, waiting, share);
    }
}
