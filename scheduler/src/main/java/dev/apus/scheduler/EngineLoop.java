package dev.apus.scheduler;

import dev.apus.kernels.SamplingBatch;
import dev.apus.kvcache.BlockAges;
import dev.apus.kvcache.BlockHasher;
import dev.apus.kvcache.BlockHashes;
import dev.apus.kvcache.BlockManager;
import dev.apus.scheduler.EngineEvent.FailureKind;
import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engine's state and what happens to it: sequences come and go, a step is scheduled, launched and read. Everything here is owned by
 * the engine's thread. A running step costs one event per sampled sequence and no other allocation, log-probabilities apart.
 *
 * <p>On a runner that takes two steps the engine runs ahead of the device, as vLLM's asynchronous scheduling: step n+1 is scheduled and
 * launched before step n is awaited and read. At its launch a step's tokens count as computed and each token that it draws is appended as
 * pending, so that the next step can be scheduled; its value stays on the device. A sequence that may only end with its pending token is
 * left out, so that at most one token per request is drawn in vain: the one after a stop id.
 *
 * <p>What a step did for a sequence that has ended by the time it is read is dropped, by the identity of its submission, since its row may
 * be another's. Its blocks may be another's as well, at once: steps run in order, so the lost step's writes come before those of any step
 * that is given its blocks. That holds only while nobody reads those blocks by the prefix cache instead of writing them first; hence
 * blocks are offered to it when a step is read, never at its launch, and only up to the tokens of that step. A later step in flight writes
 * behind those, into blocks that are not offered yet.
 */
final class EngineLoop {
    private static final Logger LOG = LoggerFactory.getLogger(EngineLoop.class);
    /** A pending token is one of the step launched just before; with more steps in flight it would not be. */
    private static final int MOST_STEPS_IN_FLIGHT = 2;

    /** A tenant that took less than its share may have so many steps to itself when it needs them, and no more. */
    private static final int ALLOWED_STEPS = 8;

    private final Runner runner;
    private final int maxModelLength;
    private final BlockManager blocks;
    private final @Nullable BlockAgeCounts blockAges;
    private final BlockHasher hasher;
    private final Sequences sequences = new Sequences();
    private final Tenants tenants;
    private final Scheduler scheduler;
    private final Counters counters;
    private final AdmissionControl admissions;
    private final FlightRecorder recorder = new FlightRecorder();
    private final Outbox outbox;
    private final Consumer<Submission> onEnd;
    private final LongSupplier clock;
    private final Map<String, Integer> rows = new HashMap<>();
    /** The rows of the step that is being built: what the scheduler chose, kept while sequences end. */
    private final int[] stepRows;
    /** A ring: {@link #inFlight} launched steps from {@link #oldest} on. */
    private final EngineStep[] steps;

    private int oldest;
    private int inFlight;
    /** Live sequences with a time limit. */
    private int limited;
    /** When the last step was read, or the first one after an idle time was begun; 0 if that is to come. */
    private long lastRead;

    /**
     * Makes one with nothing to do.
     *
     * @param admissions told of what runs
     * @param onEnd told of each submission that has ended, before its last event is delivered
     * @param clock {@link System#nanoTime}, or a test's
     */
    EngineLoop(
            Runner runner,
            EngineOptions options,
            int blockCount,
            int maxModelLength,
            Counters counters,
            AdmissionControl admissions,
            Outbox outbox,
            Consumer<Submission> onEnd,
            LongSupplier clock) {
        this.runner = runner;
        this.maxModelLength = maxModelLength;
        this.counters = counters;
        this.admissions = admissions;
        this.outbox = outbox;
        this.onEnd = onEnd;
        this.clock = clock;
        blockAges = options.kvCacheMetricsSample() > 0 ? new BlockAgeCounts() : null;
        blocks = new BlockManager(
                blockCount,
                EngineOptions.BLOCK_SIZE,
                options.enablePrefixCaching(),
                blockAges == null ? null : new BlockAges(blockCount, options.kvCacheMetricsSample(), clock, blockAges));
        hasher = BlockHasher.withRandomKey(EngineOptions.BLOCK_SIZE);
        tenants = new Tenants(sequences, ALLOWED_STEPS * (double) options.maxNumBatchedTokens());
        scheduler = new Scheduler(sequences, tenants, blocks, options, counters, admissions, clock);
        stepRows = new int[options.maxNumSeqs()];
        int depth = runner.stepsInFlight();
        if (depth < 1 || depth > MOST_STEPS_IN_FLIGHT) {
            throw new IllegalArgumentException("the runner takes " + depth + " steps in flight, must be 1 or 2");
        }
        steps = new EngineStep[depth];
        Arrays.setAll(steps, i -> new EngineStep(sequences, blocks, options));
        publish();
    }

    boolean isIdle() {
        return rows.isEmpty() && inFlight == 0;
    }

    void add(Submission submission) {
        if (isIdle()) {
            lastRead = 0;
        }
        Request request = submission.request;
        int row = sequences.add(submission, tenants.of(request.tenant()), chain(request, request.prompt().length));
        rows.put(request.id(), row);
        tenants.enqueueNew(row);
        if (isLimited(request)) {
            limited++;
        }
    }

    /** Keys that are rotated differently must not be found: their offset goes into the hashes as one more thing that shapes them. */
    private BlockHashes chain(Request request, int length) {
        return hasher.chain(0, 0, runner.ropeOffset(length), request.cacheSalt());
    }

    void abort(String id) {
        Integer row = rows.get(id);
        if (row != null) {
            finish(row, FinishReason.ABORT, -1);
        }
    }

    /** Forgets what is cached; sequences keep their blocks. */
    void resetPrefixCache() {
        blocks.clearPrefixCache();
    }

    void abortAll() {
        while (!rows.isEmpty()) {
            abort(rows.keySet().iterator().next());
        }
    }

    /**
     * Launches one step, if there is anything to run, and reads the oldest one once the runner takes no more or nothing was launched.
     *
     * @throws StepFault if the device failed; {@link #loseDevice} must follow
     */
    void step() {
        if (lastRead == 0) {
            lastRead = clock.getAsLong();
        }
        if (limited > 0) {
            endLate(clock.getAsLong());
        }
        recorder.begin();
        scheduler.schedule();
        int count = scheduler.stepCount();
        int tokens = 0;
        int promptTokens = 0;
        for (int i = 0; i < count; i++) {
            stepRows[i] = scheduler.step(i);
            tokens += sequences.scheduled[stepRows[i]];
            promptTokens += countPrompt(stepRows[i]);
        }
        recorder.scheduled(count, promptTokens, tokens, tenants.waitingCount());
        if (count > 0) {
            run(0, count);
            counters.countStep(tokens);
        } else if (inFlight == 0
                && scheduler.runningCount() == 0
                && tenants.waitingCount() > 0
                && !scheduler.hasPreempted()) {
            // Cannot happen while admission checks hold; a spinning engine would be worse than a failed request.
            fail(tenants.firstWaiting(), "the scheduler found no room for the request in an idle engine", false);
        }
        if (inFlight > 0 && (count == 0 || inFlight == steps.length)) {
            awaitOldest();
        }
        recorder.end(blocks.blocks() - blocks.freeBlocks());
    }

    /** Tokens of the prompt among those that are scheduled of a sequence. */
    private int countPrompt(int row) {
        int computed = sequences.computed[row];
        int end = Math.min(computed + sequences.scheduled[row], sequences.promptLength[row]);
        if (end <= computed) {
            return 0;
        }
        admissions.computed(sequences.submission(row), end - computed);
        return end - computed;
    }

    /**
     * Waits for the steps in flight and drops what nobody waits for any more.
     *
     * @throws StepFault if the device failed
     */
    void settle() {
        while (inFlight > 0) {
            awaitOldest();
        }
    }

    /** All that the device held is gone: fails the requests that it was computing and forgets the prefix cache; the waiting stay. */
    void loseDevice(String message) {
        for (int i = 0; i < inFlight; i++) {
            EngineStep step = steps[(oldest + i) % steps.length];
            for (int j = 0; j < step.count(); j++) {
                // Among them are preempted sequences, whose pending tokens nobody will ever know.
                if (step.isCurrent(j)) {
                    fail(step.row(j), message, true);
                }
            }
            step.release();
        }
        inFlight = 0;
        while (scheduler.runningCount() > 0) {
            fail(scheduler.running(0), message, true);
        }
        blocks.clearPrefixCache();
    }

    /** Checks the block manager, for tests; see {@link BlockManager#checkInvariants}. */
    void checkInvariants() {
        blocks.checkInvariants();
        if (rows.isEmpty() && blocks.freeBlocks() != blocks.blocks()) {
            throw new IllegalStateException(
                    (blocks.blocks() - blocks.freeBlocks()) + " blocks are held although no request is left");
        }
    }

    /**
     * Launches sequences {@code from} to {@code to} of the step. Where a launch computes at once, a failed step is run again, each sequence
     * alone, so that only the culprit suffers.
     */
    private void run(int from, int to) {
        EngineStep step = steps[(oldest + inFlight) % steps.length];
        step.clear();
        for (int i = from; i < to; i++) {
            step.add(stepRows[i], runner.ropeOffset(sequences.length[stepRows[i]]));
        }
        Throwable fault = tryLaunch(step);
        recorder.ran();
        if (fault == null) {
            advance(step);
            inFlight++;
            if (steps.length == 1) {
                readOldest();
            }
        } else if (steps.length > 1) {
            throw new StepFault(fault);
        } else if (to - from > 1) {
            LOG.warn("a step of {} sequences failed; running each alone", to - from, fault);
            for (int i = from; i < to; i++) {
                run(i, i + 1);
            }
        } else {
            int row = stepRows[from];
            LOG.error("request {} failed", sequences.request(row).id(), fault);
            blocks.discard(row);
            fail(row, "the model failed on this request: " + fault, true);
        }
    }

    /** Whatever a step throws concerns its requests or the device, not the engine. A single step is awaited at once. */
    private @Nullable Throwable tryLaunch(EngineStep step) {
        try {
            runner.launch(step.batch, step.sampling);
            if (steps.length == 1) {
                runner.await(step.sampling);
            }
            return null;
        } catch (RuntimeException | Error e) {
            return e;
        }
    }

    /** Takes a launched step for computed: what it draws is pending. */
    private void advance(EngineStep step) {
        for (int i = 0; i < step.count(); i++) {
            int row = step.row(i);
            int end = step.endEntry(i);
            sequences.computed[row] = step.computed(i);
            sequences.scheduled[row] = 0;
            boolean draws = end > step.firstEntry(i) && step.sampling.forcedId[end - 1] < 0;
            if (sequences.promptScored[row] < sequences.promptLength[row]) {
                sequences.promptScored[row] += end - step.firstEntry(i) - (draws ? 1 : 0);
            }
            if (draws) {
                sequences.appendPending(row, end - 1);
                int length = sequences.length[row];
                SamplingParams params = sequences.request(row).params();
                sequences.held[row] = length - sequences.promptLength[row] >= params.maxTokens()
                        || length >= maxModelLength
                        || sequences.submission(row).rules != null
                        || runner.ropeOffset(length) != runner.ropeOffset(length - 1);
            }
        }
    }

    private void awaitOldest() {
        try {
            runner.await(steps[oldest].sampling);
        } catch (RuntimeException | Error e) {
            throw new StepFault(e);
        }
        recorder.ran();
        readOldest();
    }

    private void readOldest() {
        EngineStep step = steps[oldest];
        long now = clock.getAsLong();
        admissions.rates().step(step.batch.tokens(), now - lastRead);
        lastRead = now;
        // Still in flight while it is read: none of its rows is launched again before.
        for (int i = 0; i < step.count(); i++) {
            if (step.isCurrent(i)) {
                read(step, i);
            }
        }
        step.release();
        oldest = (oldest + 1) % steps.length;
        inFlight--;
        recorder.emitted();
    }

    /** Takes over the results of the step's i-th sequence. */
    private void read(EngineStep step, int i) {
        SamplingBatch s = step.sampling;
        int row = step.row(i);
        int end = step.endEntry(i);
        for (int entry = step.firstEntry(i); entry < end; entry++) {
            if (s.corrupted[entry]) {
                counters.add(Counters.CORRUPTED, 1);
                // What it computed must not be found by others.
                blocks.discard(row);
                fail(
                        row,
                        "the logits hold NaN or infinity, or every token is banned by the request's parameters",
                        false);
                return;
            }
        }
        // Nothing if it was preempted after the launch. All tokens up to here are known: the last was drawn by the step
        // before.
        int computed = Math.min(step.computed(i), sequences.computed[row]);
        sequences.settled[row] = computed;
        sequences.submission(row).progress.computed(computed);
        sequences.hashes(row).extend(sequences.tokens[row], computed);
        blocks.commit(row, sequences.tokens[row], computed, sequences.hashes(row));
        for (int entry = step.firstEntry(i); entry < end; entry++) {
            if (s.forcedId[entry] >= 0) {
                sequences.addPromptLogprobs(row, logprobs(s, entry));
            } else {
                take(row, s, entry);
            }
        }
    }

    /** A pending token is known. */
    private void take(int row, SamplingBatch s, int entry) {
        Submission submission = sequences.submission(row);
        Request request = submission.request;
        int id = s.sampledId[entry];
        int length = s.position[entry] + 1;
        sequences.resolve(row, length - 1, id);
        counters.add(Counters.GENERATION_TOKENS, 1);
        sequences.tenant(row).countGenerated();
        if (sequences.firstToken[row] == 0) {
            sequences.firstToken[row] = clock.getAsLong();
            counters.countPrompt(sequences.promptLength[row], sequences.cached[row]);
            sequences.tenant(row).countPrompt(sequences.promptLength[row], sequences.cached[row]);
            List<TokenLogprobs> prompt = sequences.takePromptLogprobs(row);
            if (request.params().promptLogprobs() >= 0) {
                outbox.post(
                        submission.listener,
                        new EngineEvent.PromptLogprobs(request.id(), prompt == null ? List.of() : prompt));
            }
        }
        List<TokenLogprobs> logprobs = request.params().logprobs() >= 0 ? List.of(logprobs(s, entry)) : null;
        outbox.post(submission.listener, new EngineEvent.Tokens(request.id(), new int[] {id}, logprobs));
        int generated = sequences.generated(row);
        if (generated >= request.params().minTokens() && submission.stopsAt(id)) {
            finish(row, FinishReason.STOP, id);
        } else if (generated >= request.params().maxTokens() || length >= maxModelLength) {
            finish(row, FinishReason.LENGTH, -1);
        } else if (sequences.held[row] && sequences.pending[row] == 0) {
            sequences.held[row] = false;
            if (runner.ropeOffset(length) != runner.ropeOffset(length - 1)) {
                // It did not end, so its keys must be rotated by another offset from here on.
                scheduler.restart(row, chain(request, length));
            }
        }
    }

    private TokenLogprobs logprobs(SamplingBatch s, int entry) {
        int k = Math.min(s.logprobs[entry], runner.vocabSize());
        int[] ids = s.topId[entry];
        float[] values = s.topLogprob[entry];
        return new TokenLogprobs(
                s.sampledId[entry],
                s.sampledLogprob[entry],
                s.sampledRank[entry],
                ids == null ? new int[0] : Arrays.copyOf(ids, k),
                values == null ? new float[0] : Arrays.copyOf(values, k));
    }

    private static boolean isLimited(Request request) {
        return request.deadlineNanos() > 0 || request.ttftDeadlineNanos() > 0;
    }

    private void endLate(long now) {
        for (int i = scheduler.runningCount() - 1; i >= 0; i--) {
            failIfLate(scheduler.running(i), now);
        }
        for (int t = tenants.activeCount() - 1; t >= 0; t--) {
            TenantQueue tenant = tenants.active(t);
            for (int i = tenant.waitingCount() - 1; i >= 0; i--) {
                failIfLate(tenant.waiting(i), now);
            }
        }
    }

    private void failIfLate(int row, long now) {
        Request request = sequences.request(row);
        long waited = now - request.arrivalNanos();
        boolean begun = sequences.firstScheduled[row] != 0;
        if (request.deadlineNanos() > 0 && waited > request.deadlineNanos()) {
            fail(
                    row,
                    "the request was not done within its limit of " + request.deadlineNanos() / 1_000_000 + " ms; "
                            + sequences.generated(row) + " tokens were generated",
                    true,
                    begun ? FailureKind.DEADLINE : FailureKind.QUEUE_EXPIRED);
        } else if (!begun && request.ttftDeadlineNanos() > 0 && waited > request.ttftDeadlineNanos()) {
            fail(
                    row,
                    "the request waited longer than the " + request.ttftDeadlineNanos() / 1_000_000
                            + " ms within which it wants its first token",
                    true,
                    FailureKind.QUEUE_EXPIRED);
        }
    }

    private void finish(int row, FinishReason reason, int stopTokenId) {
        Submission submission = sequences.submission(row);
        long now = clock.getAsLong();
        recorder.request(sequences, row, reason.name(), now);
        EngineEvent.Finished event = new EngineEvent.Finished(
                submission.request.id(),
                reason,
                stopTokenId,
                sequences.promptLength[row],
                sequences.cached[row],
                sequences.generated(row),
                new EngineEvent.Timing(
                        submission.request.arrivalNanos(),
                        sequences.firstScheduled[row],
                        sequences.firstToken[row],
                        now,
                        sequences.preemptions[row]));
        if (reason != FinishReason.ABORT) {
            admissions.rates().ended(sequences.generated(row));
        }
        release(row);
        onEnd.accept(submission);
        outbox.post(submission.listener, event);
    }

    private void fail(int row, String message, boolean retryable) {
        fail(row, message, retryable, FailureKind.ENGINE);
    }

    private void fail(int row, String message, boolean retryable, FailureKind kind) {
        Submission submission = sequences.submission(row);
        long now = clock.getAsLong();
        admissions.failed(submission, kind, now);
        recorder.request(sequences, row, kind.name(), now);
        release(row);
        onEnd.accept(submission);
        outbox.post(submission.listener, new EngineEvent.Failed(submission.request.id(), message, retryable, kind));
    }

    private void release(int row) {
        Request request = sequences.request(row);
        scheduler.remove(row);
        rows.remove(request.id());
        if (isLimited(request)) {
            limited--;
        }
        sequences.remove(row);
    }

    /** What is told of the tenants; any thread. */
    List<TenantStats> tenantStats() {
        return tenants.stats();
    }

    /** How long blocks live, or null if that is not measured; any thread. */
    @Nullable
    KvBlockAges kvBlockAges() {
        return blockAges == null ? null : blockAges.read();
    }

    /** Sets the gauges. */
    void publish() {
        counters.set(Counters.RUNNING, scheduler.runningCount());
        counters.set(Counters.FREE_BLOCKS, blocks.freeBlocks());
    }
}
