package dev.apus.scheduler;

import dev.apus.scheduler.EngineEvent.FailureKind;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/**
 * The door of the engine: takes requests in, or refuses them when they are submitted, before anything is spent on them. Refused are those
 * beyond the limits of requests and of prompt tokens, and those that would, by {@link Forecast}, be served past their deadline: better a
 * refusal at once than one after the wait.
 *
 * <p>It errs towards taking. Nothing is refused for its deadline while nothing is before it, while {@link ServiceRates} has not seen enough,
 * or for what it cannot know (it has no price for a token before it has seen steps of different sizes, and takes an answer for half as long as usual).
 * Predicted waits count half until {@value ServiceRates#LEAST_CHECKS} of them have been held against what came of them, and from then on
 * for what they turned out to be worth, at most twice themselves, and a quarter more for their scatter. There is no margin in favour of
 * late requests beyond that: under a lasting overload every request that is taken is one at the limit, and what is added to the limit is
 * what they all come late by.
 *
 * <p>{@link #admit} and {@link #takeBack} may be called by anybody, the rest by the engine's thread.
 */
final class AdmissionControl {
    /** Few enough to follow the load within seconds, enough that one long request does not set the estimate. */
    private static final int AVERAGED_ENDS = 8;
    /** What Retry-After says at most: clients that wait longer do not come back, and the estimate is worth little beyond. */
    private static final int MOST_RETRY_SECONDS = 60;

    private static final double NANOS_PER_MILLI = 1e6;
    private static final double NANOS_PER_SECOND = 1e9;

    private final EngineOptions options;
    private final LongSupplier clock;
    private final ServiceRates rates;
    private final ConcurrentHashMap<String, TenantLoad> loads = new ConcurrentHashMap<>();
    private final Places places;
    private final AtomicLong queuedTokens = new AtomicLong();
    /** Moving average over about {@link #AVERAGED_ENDS} of the time between two ends of requests, for Retry-After; at first a guess. */
    private volatile double secondsPerEnd = 0.1;

    private long lastEnd;

    /** @param clock {@link System#nanoTime}, or a test's */
    AdmissionControl(EngineOptions options, LongSupplier clock) {
        this.options = options;
        this.clock = clock;
        rates = new ServiceRates(options.maxNumSeqs());
        int usual = options.maxNumSeqs() + options.maxWaiting();
        int most = options.maxNumQueuedReqs() > 0 ? Math.min(usual, options.maxNumQueuedReqs()) : usual;
        places = new Places(most, Math.max(0, most - options.maxNumSeqs()));
    }

    /** What is learnt of the engine. */
    ServiceRates rates() {
        return rates;
    }

    /** Requests that wait or run. */
    int inFlight() {
        return places.taken();
    }

    /** Prompt tokens that are to be computed. */
    long queuedTokens() {
        return queuedTokens.get();
    }

    /** Tenants that have requests here. */
    int tenants() {
        return loads.size();
    }

    /**
     * Takes requests that belong together, all or none.
     *
     * @throws QueueFullException if a limit is reached
     * @throws DeadlineException if the first of them would be late
     * @throws IllegalArgumentException if there are more than are ever taken
     */
    void admit(List<Submission> submissions) {
        int most = places.most();
        int count = submissions.size();
        if (count > most) {
            throw new IllegalArgumentException("the request makes " + count + " sequences, at most " + most
                    + " are ever taken (max_num_seqs and max_waiting together, and max_num_queued_reqs); ask for fewer choices"
                    + " or prompts at a time");
        }
        Submission first = submissions.getFirst();
        long tokens = price(submissions);
        String tenant = first.request.tenant().name();
        if (!places.take(tenant, count)) {
            throw placesFull(count);
        }
        long queued = queuedTokens.addAndGet(tokens) - tokens;
        try {
            if (options.maxNumQueuedTokens() > 0 && queued > 0 && queued + tokens > options.maxNumQueuedTokens()) {
                throw tokensFull(tokens, queued);
            }
            forecast(first);
        } catch (QueueFullException | DeadlineException e) {
            places.giveBack(tenant, count);
            queuedTokens.addAndGet(-tokens);
            throw e;
        }
        submissions.forEach(this::enqueue);
    }

    private QueueFullException placesFull(int count) {
        int others = places.taken();
        int most = places.most();
        if (count <= most - others) {
            return new QueueFullException(
                    QueueFullException.Limit.REQUESTS,
                    others + " requests wait or run, the limit is " + most
                            + ", and the last places are kept for tenants that have fewer",
                    retryAfterSeconds(others));
        }
        int waiting = Math.max(0, others - options.maxNumSeqs());
        return options.maxNumQueuedReqs() == most
                ? new QueueFullException(
                        QueueFullException.Limit.REQUESTS,
                        others + " requests wait or run, the limit is " + most,
                        retryAfterSeconds(others))
                : new QueueFullException(waiting, options.maxWaiting(), retryAfterSeconds(waiting));
    }

    /** What the submissions have to compute; of a prompt that several have, one has it all and the others find it cached but for a token. */
    private long price(List<Submission> submissions) {
        long sum = 0;
        int[] before = new int[0];
        for (Submission submission : submissions) {
            int[] prompt = submission.request.prompt();
            submission.queuedTokens =
                    options.enablePrefixCaching() && Arrays.equals(prompt, before) ? 1 : prompt.length;
            before = prompt;
            sum += submission.queuedTokens;
        }
        return sum;
    }

    private QueueFullException tokensFull(long tokens, long queued) {
        double perToken = rates.known() ? rates.tokenNanos() + rates.stepNanos() / options.maxNumBatchedTokens() : 0;
        double excess = queued + tokens - options.maxNumQueuedTokens();
        return new QueueFullException(
                QueueFullException.Limit.TOKENS,
                queued + " prompt tokens are queued, " + tokens + " more are beyond the limit of "
                        + options.maxNumQueuedTokens(),
                seconds(excess * perToken));
    }

    private void forecast(Submission first) {
        Request request = first.request;
        TenantLoad own = loads.get(request.tenant().name());
        if (!rates.known()) {
            return;
        }
        Forecast forecast = Forecast.of(
                request.tenant(),
                request.priority(),
                first.queuedTokens,
                request.params().maxTokens(),
                loads.values(),
                own == null ? new TenantLoad(request.tenant().weight()) : own,
                rates,
                options.maxNumBatchedTokens());
        long now = clock.getAsLong();
        first.submittedNanos = now;
        first.predictedWaitNanos = forecast.plainWaitNanos();
        if (forecast.plainWaitNanos() <= 0) {
            return;
        }
        long waited = now - request.arrivalNanos();
        check("the first token", forecast.firstTokenNanos(), request.ttftDeadlineNanos(), waited);
        check("the answer", forecast.doneNanos(), request.deadlineNanos(), waited);
    }

    private static void check(String what, double predicted, long deadline, long waited) {
        double left = deadline - (double) waited;
        if (deadline > 0 && predicted > left) {
            throw new DeadlineException(
                    what,
                    Math.round(predicted / NANOS_PER_MILLI),
                    Math.round(left / NANOS_PER_MILLI),
                    seconds(predicted - left));
        }
    }

    private void enqueue(Submission submission) {
        Tenant tenant = submission.request.tenant();
        loads.compute(tenant.name(), (name, present) -> {
            TenantLoad load = present == null ? new TenantLoad(tenant.weight()) : present;
            load.weight = tenant.weight();
            load.enqueue(submission.request.priority(), submission.queuedTokens);
            submission.load = load;
            return load;
        });
    }

    /** Forgets a submission that was taken and then not passed on, or that ends with the engine. */
    void takeBack(Submission submission) {
        places.giveBack(submission.request.tenant().name(), 1);
        queuedTokens.addAndGet(-submission.queuedTokens);
        TenantLoad load = submission.load;
        if (load == null) {
            return;
        }
        if (submission.begun) {
            load.computed(submission.queuedTokens);
            load.stopped();
        } else {
            load.dequeue(submission.request.priority(), submission.queuedTokens, false);
        }
        submission.queuedTokens = 0;
        submission.load = null;
        loads.computeIfPresent(
                submission.request.tenant().name(), (name, present) -> present.left() == 0 ? null : present);
    }

    /** The computation of a request begins, at this time of the clock, with so many tokens of its prompt from the cache. */
    void begun(Submission submission, int cached, long now) {
        TenantLoad load = submission.load;
        if (load == null || submission.begun) {
            return;
        }
        int length = submission.request.prompt().length;
        // Further choices of a prompt tell nothing of what others find cached.
        if (submission.queuedTokens == length) {
            rates.begun(length, cached);
        }
        load.dequeue(submission.request.priority(), submission.queuedTokens, true);
        submission.begun = true;
        computed(submission, cached);
        if (submission.predictedWaitNanos > leastChecked()) {
            rates.check(submission.predictedWaitNanos, (double) (now - submission.submittedNanos));
        }
    }

    /** Shorter waits are a matter of when in a step a request comes. */
    private double leastChecked() {
        return 2 * (rates.stepNanos() + rates.tokenNanos() * rates.places());
    }

    /** So many tokens of a running request's prompt are computed by this step. */
    void computed(Submission submission, int tokens) {
        TenantLoad load = submission.load;
        int fewer = Math.min(tokens, submission.queuedTokens);
        if (load != null && fewer > 0) {
            load.computed(fewer);
            submission.queuedTokens -= fewer;
            queuedTokens.addAndGet(-fewer);
        }
    }

    /** A request has expired before its computation began: it waited longer than it was to, which the prediction learns from. */
    void failed(Submission submission, FailureKind kind, long now) {
        double waited = (double) (now - submission.submittedNanos);
        if (kind == FailureKind.QUEUE_EXPIRED
                && submission.predictedWaitNanos > leastChecked()
                && waited > submission.predictedWaitNanos * rates.correction()) {
            rates.check(submission.predictedWaitNanos, waited);
        }
    }

    /** A request is gone, for whatever reason. */
    void ended(Submission submission) {
        takeBack(submission);
        long now = clock.getAsLong();
        if (lastEnd != 0) {
            double average = secondsPerEnd;
            double since = Math.min(MOST_RETRY_SECONDS, (now - lastEnd) / NANOS_PER_SECOND);
            secondsPerEnd = average + (since - average) / AVERAGED_ENDS;
        }
        lastEnd = now;
    }

    private int retryAfterSeconds(int waiting) {
        double untilHalfIsDone = secondsPerEnd * waiting / 2;
        return seconds(untilHalfIsDone * NANOS_PER_SECOND);
    }

    private static int seconds(double nanos) {
        return (int) Math.clamp(Math.ceil(nanos / NANOS_PER_SECOND), 1, MOST_RETRY_SECONDS);
    }
}
