package dev.apus.scheduler;

import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;

/**
 * The engine's state under a load on a virtual clock: a step takes a fixed time and some per token, nothing else takes any. Repeatable to
 * the nanosecond.
 */
final class Simulation {
    private static final long MILLISECOND = 1_000_000;

    private final List<Request> arrivals = new ArrayList<>();
    private final Machine machine;
    private final EngineOptions options;
    private final int blocks;
    private List<TenantStats> tenants = List.of();
    private final List<Lost> lost = new ArrayList<>();
    private int ids;

    /**
     * Prepares one.
     *
     * @param stepMillis what a step takes by itself
     * @param microsPerToken what each of its tokens adds
     */
    Simulation(EngineOptions options, int blocks, long stepMillis, long microsPerToken) {
        this.options = options;
        this.blocks = blocks;
        machine = new Machine(stepMillis * MILLISECOND, microsPerToken * 1000);
    }

    /** Requests of a tenant that come at random, so many a second, from {@code from} to {@code until} seconds. */
    Simulation load(
            Tenant tenant, double perSecond, double from, double until, int promptTokens, int outputTokens, long seed) {
        Random random = new Random(seed);
        double time = from - Math.log(1 - random.nextDouble()) / perSecond;
        while (time < until) {
            add(
                    tenant,
                    time,
                    promptTokens / 2 + random.nextInt(promptTokens),
                    outputTokens / 2 + random.nextInt(outputTokens));
            time -= Math.log(1 - random.nextDouble()) / perSecond;
        }
        return this;
    }

    /** One request. */
    Simulation add(Tenant tenant, double atSecond, int promptTokens, int outputTokens) {
        int[] prompt = new int[promptTokens];
        // No two begin alike: the prefix cache finds nothing.
        Arrays.setAll(prompt, i -> i == 0 ? ids % 1000 : (ids / 1000 + i) % 1000);
        return add(new Request(
                        "r" + ids++,
                        prompt,
                        SamplingParams.greedy(outputTokens),
                        0,
                        "",
                        Math.round(atSecond * 1000 * MILLISECOND))
                .withTenant(tenant));
    }

    /** One request that comes at its time of arrival. */
    Simulation add(Request request) {
        arrivals.add(request);
        return this;
    }

    /** What the engine tells of the tenants after {@link #run}. */
    List<TenantStats> tenants() {
        return tenants;
    }

    /** Requests that were refused or failed in {@link #run}. */
    List<Lost> lost() {
        return lost;
    }

    /** Runs until all are done. */
    List<Done> run() {
        arrivals.sort(Comparator.comparingLong(Request::arrivalNanos));
        Outbox outbox = new Outbox(id -> {}, () -> {});
        outbox.start();
        AdmissionControl admissions = new AdmissionControl(options, () -> machine.now);
        EngineLoop loop = new EngineLoop(
                machine,
                options,
                blocks,
                blocks * EngineOptions.BLOCK_SIZE,
                new Counters(),
                admissions,
                outbox,
                admissions::ended,
                () -> machine.now);
        List<Request> taken = new ArrayList<>();
        List<Recorder> recorders = new ArrayList<>();
        int next = 0;
        while (next < arrivals.size() || !loop.isIdle()) {
            if (loop.isIdle()) {
                machine.now = Math.max(machine.now, arrivals.get(next).arrivalNanos());
            }
            while (next < arrivals.size() && arrivals.get(next).arrivalNanos() <= machine.now) {
                Request request = arrivals.get(next++);
                Recorder recorder = new Recorder();
                Submission submission =
                        new Submission(request, recorder, 1000, blocks * EngineOptions.BLOCK_SIZE, List.of());
                try {
                    admissions.admit(List.of(submission));
                    taken.add(request);
                    recorders.add(recorder);
                    loop.add(submission);
                } catch (DeadlineException | QueueFullException e) {
                    lost.add(new Lost(request, e));
                }
            }
            loop.step();
        }
        loop.checkInvariants();
        if (admissions.inFlight() != 0 || admissions.queuedTokens() != 0 || admissions.tenants() != 0) {
            throw new AssertionError(admissions.inFlight() + " requests and " + admissions.queuedTokens()
                    + " tokens of " + admissions.tenants() + " tenants are left");
        }
        tenants = loop.tenantStats();
        outbox.end();
        outbox.join();
        List<Done> done = new ArrayList<>();
        for (int i = 0; i < taken.size(); i++) {
            switch (recorders.get(i).end()) {
                case EngineEvent.Finished finished -> done.add(new Done(taken.get(i), finished.timing()));
                case EngineEvent.Failed failed ->
                    lost.add(new Lost(taken.get(i), new GenerationException(failed.message(), failed.retryable())));
                default -> throw new AssertionError("no end");
            }
        }
        return done;
    }

    /** A request and why it was not served. */
    record Lost(Request request, RuntimeException why) {}

    /** A request and when what happened to it. */
    record Done(Request request, EngineEvent.Timing timing) {
        double arrived() {
            return timing.arrival() * 1e-9;
        }

        double ttftMillis() {
            return (timing.firstToken() - timing.arrival()) * 1e-6;
        }

        double ended() {
            return timing.finished() * 1e-9;
        }
    }

    /** The 95th percentile of a tenant's times to the first token, in milliseconds, of requests that came in a span of seconds. */
    static double p95(List<Done> all, Tenant tenant, double from, double until) {
        double[] times = all.stream()
                .filter(done -> done.request().tenant().equals(tenant))
                .filter(done -> done.arrived() >= from && done.arrived() < until)
                .mapToDouble(Done::ttftMillis)
                .sorted()
                .toArray();
        return times[(int) Math.ceil(times.length * 0.95) - 1];
    }

    /** Draws token 1 always; takes virtual time. */
    private static final class Machine implements Runner {
        private final long stepNanos;
        private final long tokenNanos;
        private long now;
        private int tokens;

        Machine(long stepNanos, long tokenNanos) {
            this.stepNanos = stepNanos;
            this.tokenNanos = tokenNanos;
        }

        @Override
        public int vocabSize() {
            return 1000;
        }

        @Override
        public void launch(StepBatch batch, SamplingBatch sampling) {
            tokens = batch.tokens();
        }

        @Override
        public void await(SamplingBatch sampling) {
            now += stepNanos + tokens * tokenNanos;
            Arrays.fill(sampling.sampledId, 0, sampling.count, 1);
        }
    }
}
