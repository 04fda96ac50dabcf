package dev.apus.scheduler;

import dev.apus.kernels.SamplingBatch;
import dev.apus.kvcache.BlockHasher;
import dev.apus.kvcache.BlockHashes;
import dev.apus.kvcache.BlockManager;
import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engine's state and what happens to it: sequences come and go, a step is scheduled, run and read. Everything here is owned by the
 * engine's thread. A running step costs one event per sampled sequence and no other allocation, log-probabilities apart.
 */
final class EngineLoop {
    private static final Logger LOG = LoggerFactory.getLogger(EngineLoop.class);

    private final Runner runner;
    private final int maxModelLength;
    private final BlockManager blocks;
    private final BlockHasher hasher;
    private final Sequences sequences = new Sequences();
    private final Scheduler scheduler;
    private final StepBuilder builder;
    private final Counters counters;
    private final Outbox outbox;
    private final Consumer<Submission> onEnd;
    private final Map<String, Integer> rows = new HashMap<>();
    /** The step's rows: what the scheduler chose, kept while sequences end. */
    private final int[] stepRows;
    /** Live sequences with a time limit. */
    private int limited;

    /** @param onEnd told of each submission that has ended, before its last event is delivered */
    EngineLoop(
            Runner runner,
            EngineOptions options,
            int blockCount,
            int maxModelLength,
            Counters counters,
            Outbox outbox,
            Consumer<Submission> onEnd) {
        this.runner = runner;
        this.maxModelLength = maxModelLength;
        this.counters = counters;
        this.outbox = outbox;
        this.onEnd = onEnd;
        blocks = new BlockManager(blockCount, EngineOptions.BLOCK_SIZE, options.enablePrefixCaching());
        hasher = BlockHasher.withRandomKey(EngineOptions.BLOCK_SIZE);
        scheduler = new Scheduler(sequences, blocks, options, counters);
        builder = new StepBuilder(runner, sequences, blocks, options);
        stepRows = new int[options.maxNumSeqs()];
        publish();
    }

    boolean isIdle() {
        return rows.isEmpty();
    }

    void add(Submission submission) {
        Request request = submission.request;
        int row = sequences.add(submission, chain(request, request.prompt().length));
        rows.put(request.id(), row);
        scheduler.enqueue(row);
        if (request.timeoutNanos() > 0) {
            limited++;
        }
    }

    /** Keys that are rotated differently must not be found: their offset goes into the hashes as one more thing that shapes them. */
    private BlockHashes chain(Request request, int length) {
        return hasher.chain(0, runner.ropeOffset(length), request.cacheSalt());
    }

    void abort(String id) {
        Integer row = rows.get(id);
        if (row != null) {
            finish(row, FinishReason.ABORT, -1);
        }
    }

    void abortAll() {
        while (!rows.isEmpty()) {
            abort(rows.keySet().iterator().next());
        }
    }

    /** Runs one step, if there is anything to run. */
    void step() {
        if (limited > 0) {
            endLate(System.nanoTime());
        }
        scheduler.schedule();
        int count = scheduler.stepCount();
        int tokens = 0;
        for (int i = 0; i < count; i++) {
            stepRows[i] = scheduler.step(i);
            tokens += sequences.scheduled[stepRows[i]];
        }
        if (count > 0) {
            run(0, count);
            counters.countStep(tokens);
        } else if (scheduler.runningCount() == 0 && scheduler.waitingCount() > 0 && !scheduler.hasPreempted()) {
            // Cannot happen while admission checks hold; a spinning engine would be worse than a failed request.
            fail(scheduler.waiting(0), "the scheduler found no room for the request in an idle engine", false);
        }
    }

    /** Checks the block manager, for tests; see {@link BlockManager#checkInvariants}. */
    void checkInvariants() {
        blocks.checkInvariants();
        if (rows.isEmpty() && blocks.freeBlocks() != blocks.blocks()) {
            throw new IllegalStateException(
                    (blocks.blocks() - blocks.freeBlocks()) + " blocks are held although no request is left");
        }
    }

    /** Runs sequences {@code from} to {@code to} of the step; if that fails, each alone, so that only the culprit suffers. */
    private void run(int from, int to) {
        builder.clear();
        for (int i = from; i < to; i++) {
            builder.add(stepRows[i]);
        }
        Throwable fault = tryRun();
        if (fault == null) {
            int entry = 0;
            for (int i = from; i < to; i++) {
                entry = read(stepRows[i], entry);
            }
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

    /** Whatever a step throws concerns its requests, not the engine: it is reported to them. */
    private @Nullable Throwable tryRun() {
        try {
            runner.step(builder.batch, builder.sampling);
            return null;
        } catch (RuntimeException | Error e) {
            return e;
        }
    }

    /** Takes over the results of one sequence, whose sampling entries start at {@code entry}; returns the next one's. */
    private int read(int row, int entry) {
        SamplingBatch s = builder.sampling;
        int count = sequences.scheduled[row];
        int end = entry + sequences.computed[row] + count - sequences.logitsFrom(row, count);
        sequences.scheduled[row] = 0;
        for (int i = entry; i < end; i++) {
            if (s.corrupted[i]) {
                counters.add(Counters.CORRUPTED, 1);
                // What it computed must not be found by others.
                blocks.discard(row);
                fail(
                        row,
                        "the logits hold NaN or infinity, or every token is banned by the request's parameters",
                        false);
                return end;
            }
        }
        int computed = sequences.computed[row] + count;
        sequences.computed[row] = computed;
        sequences.hashes(row).extend(sequences.tokens[row], computed);
        blocks.commit(row, sequences.tokens[row], computed, sequences.hashes(row));
        for (int i = entry; i < end; i++) {
            if (s.forcedId[i] >= 0) {
                sequences.addPromptLogprobs(row, logprobs(i));
            } else {
                append(row, i);
            }
        }
        return end;
    }

    private void append(int row, int entry) {
        Submission submission = sequences.submission(row);
        Request request = submission.request;
        int id = builder.sampling.sampledId[entry];
        sequences.append(row, id);
        counters.add(Counters.GENERATION_TOKENS, 1);
        if (sequences.firstToken[row] == 0) {
            sequences.firstToken[row] = System.nanoTime();
            counters.countPrompt(sequences.promptLength[row], sequences.cached[row]);
            List<TokenLogprobs> prompt = sequences.takePromptLogprobs(row);
            if (request.params().promptLogprobs() >= 0) {
                outbox.post(
                        submission.listener,
                        new EngineEvent.PromptLogprobs(request.id(), prompt == null ? List.of() : prompt));
            }
        }
        List<TokenLogprobs> logprobs = request.params().logprobs() >= 0 ? List.of(logprobs(entry)) : null;
        outbox.post(submission.listener, new EngineEvent.Tokens(request.id(), new int[] {id}, logprobs));
        int generated = sequences.generated(row);
        if (generated >= request.params().minTokens() && submission.stopsAt(id)) {
            finish(row, FinishReason.STOP, id);
        } else if (generated >= request.params().maxTokens() || sequences.length[row] >= maxModelLength) {
            finish(row, FinishReason.LENGTH, -1);
        } else if (runner.ropeOffset(sequences.length[row]) != runner.ropeOffset(sequences.length[row] - 1)) {
            scheduler.restart(row, chain(request, sequences.length[row]));
        }
    }

    private TokenLogprobs logprobs(int entry) {
        SamplingBatch s = builder.sampling;
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

    private void endLate(long now) {
        for (int i = scheduler.runningCount() - 1; i >= 0; i--) {
            failIfLate(scheduler.running(i), now);
        }
        for (int i = scheduler.waitingCount() - 1; i >= 0; i--) {
            failIfLate(scheduler.waiting(i), now);
        }
    }

    private void failIfLate(int row, long now) {
        Request request = sequences.request(row);
        if (request.timeoutNanos() > 0 && now - request.arrivalNanos() > request.timeoutNanos()) {
            fail(
                    row,
                    "the request was not done within its limit of " + request.timeoutNanos() / 1_000_000 + " ms; "
                            + sequences.generated(row) + " tokens were generated",
                    true);
        }
    }

    private void finish(int row, FinishReason reason, int stopTokenId) {
        Submission submission = sequences.submission(row);
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
                        System.nanoTime(),
                        sequences.preemptions[row]));
        release(row);
        onEnd.accept(submission);
        outbox.post(submission.listener, event);
    }

    private void fail(int row, String message, boolean retryable) {
        Submission submission = sequences.submission(row);
        release(row);
        onEnd.accept(submission);
        outbox.post(submission.listener, new EngineEvent.Failed(submission.request.id(), message, retryable));
    }

    private void release(int row) {
        Request request = sequences.request(row);
        scheduler.remove(row);
        rows.remove(request.id());
        if (request.timeoutNanos() > 0) {
            limited--;
        }
        sequences.remove(row);
    }

    /** Sets the gauges. */
    void publish() {
        counters.set(Counters.RUNNING, scheduler.runningCount());
        counters.set(Counters.FREE_BLOCKS, blocks.freeBlocks());
    }
}
