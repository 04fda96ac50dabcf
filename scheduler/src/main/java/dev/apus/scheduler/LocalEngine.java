package dev.apus.scheduler;

import dev.apus.scheduler.Command.Abort;
import dev.apus.scheduler.Command.Between;
import dev.apus.scheduler.Command.Close;
import dev.apus.scheduler.Command.Drain;
import dev.apus.scheduler.Command.ResetPrefixCache;
import dev.apus.scheduler.pooling.Turns;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.jctools.queues.atomic.MpscUnboundedAtomicArrayQueue;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engine in this process: one thread that owns all state and runs steps as long as there is work, parked otherwise; one thread that
 * delivers events. Commands and events pass through lock-free queues; commands are taken before each step, so an abort takes effect
 * within one.
 *
 * <p>On a runner that computes at once, a step that throws is run again sequence by sequence, and only those that throw alone fail. On one
 * that runs behind the engine, whatever it throws is a fault of the device: all requests fail, retryable, and
 * the engine ends: CUDA gives a process whose kernel faulted the device no more, so only a fresh process can go on.
 *
 * <p>The engine ends by itself only on such a fault or one of its own, after failing all requests; {@link EngineStats#alive} tells.
 */
public final class LocalEngine implements Engine, Turns {
    private static final Logger LOG = LoggerFactory.getLogger(LocalEngine.class);

    /** Commands of a piece of the queue: a burst of requests in one, and 2 KiB where there are none. */
    private static final int QUEUE_CHUNK = 256;

    private final int vocabSize;
    private final int maxModelLength;
    private final int blockCount;
    private final Map<String, String> cacheConfig;
    private final List<Integer> eosIds;
    private final Counters counters = new Counters();
    private final MpscUnboundedAtomicArrayQueue<Command> commands = new MpscUnboundedAtomicArrayQueue<>(QUEUE_CHUNK);
    private final ConcurrentHashMap<String, Submission> inFlight = new ConcurrentHashMap<>();
    private final AdmissionControl admissions;
    private final AtomicBoolean parked = new AtomicBoolean();
    private final Outbox outbox = new Outbox(this::abort, () -> send(new Close()));
    private final EngineLoop loop;
    private final Thread thread;
    private final List<Drain> drains = new ArrayList<>();
    private final ArrayDeque<Turns.Turn> turns = new ArrayDeque<>();
    private boolean closing;
    private volatile boolean accepting = true;
    private volatile boolean terminated;
    private volatile boolean faulty;

    /**
     * Starts an engine.
     *
     * @param runner computes the steps; made for {@link EngineOptions#maxNumBatchedTokens} tokens, {@link EngineOptions#maxNumSeqs}
     *     sequences and {@link EngineOptions#maxLogitRows} logit rows; not closed by the engine
     * @param options with limits, see {@link EngineOptions#forBackend}
     * @param blockCount blocks of {@link EngineOptions#BLOCK_SIZE} tokens in the runner's KV cache
     * @param modelLength most tokens that the model supports
     * @param eosIds ids that end a sequence unless it ignores them
     */
    public LocalEngine(Runner runner, EngineOptions options, int blockCount, int modelLength, List<Integer> eosIds) {
        this(runner, options, blockCount, modelLength, eosIds, System::nanoTime);
    }

    /** The same by another clock than the system's, for tests. */
    LocalEngine(
            Runner runner,
            EngineOptions options,
            int blockCount,
            int modelLength,
            List<Integer> eosIds,
            LongSupplier clock) {
        if (options.maxNumSeqs() == 0 || options.maxNumBatchedTokens() == 0) {
            throw new IllegalArgumentException("max_num_seqs is " + options.maxNumSeqs()
                    + " and max_num_batched_tokens " + options.maxNumBatchedTokens()
                    + ", which leaves them to a backend; give options made by forBackend");
        }
        this.blockCount = blockCount;
        cacheConfig = options.cacheConfig();
        this.eosIds = List.copyOf(eosIds);
        vocabSize = runner.vocabSize();
        int wanted = options.maxModelLen() > 0 ? options.maxModelLen() : modelLength;
        if (options.maxModelLen() > modelLength) {
            throw new IllegalArgumentException("max_model_len is " + options.maxModelLen()
                    + ", must be at most the model's " + modelLength + " positions");
        }
        long capacity = (long) blockCount * EngineOptions.BLOCK_SIZE;
        // One sequence must always fit alone: otherwise preemption could not make room for it.
        maxModelLength = (int) Math.min(wanted, capacity);
        if (maxModelLength < wanted) {
            LOG.warn(
                    "the KV cache holds {} tokens: max_model_len is {} instead of {}",
                    capacity,
                    maxModelLength,
                    wanted);
        }
        admissions = new AdmissionControl(options, clock);
        loop = new EngineLoop(
                runner, options, blockCount, maxModelLength, counters, admissions, outbox, this::ended, clock);
        thread = Thread.ofPlatform().name("apus-engine").daemon(true).unstarted(this::run);
        outbox.start();
        thread.start();
    }

    /** Most tokens of prompt plus output of one request: the model's, the options' or the KV cache's limit. */
    public int maxModelLength() {
        return maxModelLength;
    }

    @Override
    public void submit(List<Job> jobs) {
        if (!accepting) {
            throw new IllegalStateException(
                    faulty
                            ? "the engine has ended by a fault"
                            : "the engine is draining or closed and takes no more requests");
        }
        List<Submission> submissions = new ArrayList<>(jobs.size());
        for (Job job : jobs) {
            submissions.add(new Submission(job.request(), job.events(), vocabSize, maxModelLength, eosIds));
        }
        admissions.admit(submissions);
        for (int i = 0; i < submissions.size(); i++) {
            String id = submissions.get(i).request.id();
            if (inFlight.putIfAbsent(id, submissions.get(i)) != null) {
                submissions.subList(0, i).forEach(taken -> inFlight.remove(taken.request.id(), taken));
                submissions.forEach(admissions::takeBack);
                throw new IllegalArgumentException("request id '" + id + "' is in flight already");
            }
        }
        submissions.forEach(this::send);
        // The engine's thread fails what it finds in flight at its end: what is still there it has not seen.
        boolean unseen = false;
        for (Submission submission : submissions) {
            if (terminated && inFlight.remove(submission.request.id(), submission)) {
                admissions.takeBack(submission);
                unseen = true;
            }
        }
        if (unseen) {
            throw new IllegalStateException("the engine has ended");
        }
    }

    @Override
    public void abort(String requestId) {
        send(new Abort(requestId));
    }

    @Override
    public CompletableFuture<Void> drain() {
        return drain(new Drain(false, 0, new CompletableFuture<>()));
    }

    @Override
    public CompletableFuture<Void> drain(Duration deadline) {
        return drain(new Drain(true, System.nanoTime() + deadline.toNanos(), new CompletableFuture<>()));
    }

    private CompletableFuture<Void> drain(Drain drain) {
        accepting = false;
        send(drain);
        if (terminated) {
            drain.done().complete(null);
        }
        return drain.done();
    }

    /** Takes a turn on the engine's thread between two steps, when the device has nothing in flight: at most one turn a step. */
    @Override
    public void next(Turns.Turn turn) {
        if (terminated) {
            turn.lost();
        } else {
            send(new Between(turn));
            if (terminated) { // it may have come too late to be seen; to be told twice does no harm
                turn.lost();
            }
        }
    }

    @Override
    public CompletableFuture<Void> resetPrefixCache() {
        ResetPrefixCache reset = new ResetPrefixCache(new CompletableFuture<>());
        send(reset);
        if (terminated) {
            reset.done().complete(null);
        }
        return reset.done();
    }

    @Override
    public EngineStats stats() {
        return counters.stats(waiting(), blockCount, EngineOptions.BLOCK_SIZE, !terminated);
    }

    @Override
    public List<TenantStats> tenants() {
        return loop.tenantStats();
    }

    @Override
    public List<RequestStats> requests() {
        return inFlight.values().stream()
                .map(submission -> submission.progress.stats(submission.request))
                .toList();
    }

    @Override
    public Map<String, String> cacheConfig() {
        return cacheConfig;
    }

    @Override
    public @Nullable KvBlockAges kvBlockAges() {
        return loop.kvBlockAges();
    }

    @Override
    public void close() {
        accepting = false;
        send(new Close());
        Joins.join(thread);
        outbox.join();
    }

    /** Runs {@code check} of the block manager on the caller's thread once the engine has ended; for tests. */
    void checkAfterClose() {
        if (thread.isAlive()) {
            throw new IllegalStateException("the engine still runs");
        }
        loop.checkInvariants();
    }

    private int waiting() {
        return Math.max(0, admissions.inFlight() - counters.running());
    }

    private void send(Command command) {
        commands.offer(command);
        if (parked.get() && parked.compareAndSet(true, false)) {
            LockSupport.unpark(thread);
        }
    }

    private void run() {
        try {
            while (true) {
                takeCommands();
                if (closing) {
                    break;
                }
                if (loop.isIdle() && turns.isEmpty()) {
                    completeDrains();
                    loop.publish();
                    outbox.flush();
                    park();
                } else {
                    abortAtDeadline();
                    // Aborted requests hear of it before the step, not after.
                    outbox.flush();
                    step();
                    loop.publish();
                    outbox.flush();
                    takeTurn();
                }
            }
            loop.abortAll();
            settle();
            loop.publish();
        } catch (RuntimeException | Error e) {
            LOG.error("the engine ends by a fault", e);
            faulty = true;
            accepting = false;
            failAll("the engine ended by a fault: " + e);
        } finally {
            terminated = true;
            takeLastCommands();
            drains.forEach(drain -> outbox.post(drain.done()));
            outbox.end();
        }
    }

    private void takeTurn() {
        Turns.Turn turn = turns.poll();
        if (turn != null) {
            settle();
            turn.run();
        }
    }

    private void step() {
        try {
            loop.step();
        } catch (StepFault fault) {
            loop.loseDevice(String.valueOf(fault.getMessage()));
            loop.publish();
            throw fault;
        }
    }

    /** Ends what the device still does, since its memory is freed next; a fault concerns nobody any more. */
    private void settle() {
        try {
            loop.settle();
        } catch (StepFault fault) {
            LOG.warn("the last step failed while the engine was closed", fault);
            loop.loseDevice("the engine is closed");
        }
    }

    private void takeCommands() {
        Command command = commands.poll();
        while (command != null) {
            switch (command) {
                case Submission submission -> loop.add(submission);
                case Abort abort -> loop.abort(abort.requestId());
                case Drain drain -> drains.add(drain);
                case Between between -> turns.add(between.turn());
                case ResetPrefixCache reset -> {
                    loop.resetPrefixCache();
                    outbox.post(reset.done());
                }
                case Close close -> closing = true;
            }
            command = commands.poll();
        }
    }

    /** What came while the engine ended: nobody may be left without an answer. */
    private void takeLastCommands() {
        Command command = commands.poll();
        while (command != null) {
            if (command instanceof Drain drain) {
                drains.add(drain);
            } else if (command instanceof Between between) {
                turns.add(between.turn());
            } else if (command instanceof ResetPrefixCache reset) {
                outbox.post(reset.done());
            }
            command = commands.poll();
        }
        turns.forEach(Turns.Turn::lost);
        turns.clear();
        failAll("the engine has ended");
    }

    private void failAll(String message) {
        for (Submission submission : inFlight.values()) {
            if (inFlight.remove(submission.request.id(), submission)) {
                admissions.takeBack(submission);
                outbox.post(submission.listener, new EngineEvent.Failed(submission.request.id(), message, true));
            }
        }
    }

    private void completeDrains() {
        for (Drain drain : drains) {
            outbox.post(drain.done());
        }
        drains.clear();
    }

    private void abortAtDeadline() {
        for (int i = 0; i < drains.size(); i++) {
            if (drains.get(i).limited() && System.nanoTime() - drains.get(i).deadline() > 0) {
                loop.abortAll();
            }
        }
    }

    private void park() {
        parked.set(true);
        while (parked.get() && commands.isEmpty()) {
            LockSupport.park(this);
        }
        parked.set(false);
    }

    /** A request has ended; called on the engine's thread. */
    private void ended(Submission submission) {
        inFlight.remove(submission.request.id(), submission);
        admissions.ended(submission);
    }
}
