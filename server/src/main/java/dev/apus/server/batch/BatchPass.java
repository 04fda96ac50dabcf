package dev.apus.server.batch;

import dev.apus.server.batch.Batch.Counts;
import dev.apus.server.batch.BatchWork.Outcome;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Runs the requests of a batch that are not done, until they are, the batch is to end, or the server stops. On the batch's thread; {@link #wake},
 * {@link #drain} and {@link #abandon} on any.
 */
final class BatchPass {
    /** How often it is asked whether the engine has a place, while it has none. */
    private static final long ASK_MILLIS = 50;
    /** How often the clock is looked at. */
    private static final long LOOK_MILLIS = 1000;

    /** What came of a request, or nothing: look around. */
    private record Arrival(@Nullable Running of, @Nullable Outcome outcome) {}

    private record Running(BatchLine line, BatchWork.Call call) {}

    private record Retry(BatchLine line, long atNanos) {}

    private final Batch batch;
    private final BatchStore store;
    private final BatchWork work;
    private final Gate gate;
    private final BatchLine.Parser parser;
    private final BlockingQueue<Arrival> inbox = new LinkedBlockingQueue<>();
    private final Set<Running> running = new HashSet<>();
    private final Queue<Retry> retries = new PriorityQueue<>(Comparator.comparingLong(Retry::atNanos));
    private final Queue<BatchLine> next = new ArrayDeque<>();
    private volatile boolean draining;
    private volatile boolean abandoned;

    BatchPass(Batch batch, BatchStore store, BatchWork work, Gate gate, BatchLine.Parser parser) {
        this.batch = batch;
        this.store = store;
        this.work = work;
        this.gate = gate;
        this.parser = parser;
    }

    /** Something about the batch has changed. */
    void wake() {
        inbox.add(new Arrival(null, null));
    }

    /** Starts no more requests and ends with those that run. */
    void drain() {
        draining = true;
        wake();
    }

    /** Ends at once; what runs is run again another time. */
    void abandon() {
        abandoned = true;
        wake();
    }

    boolean isStopped() {
        return draining || abandoned;
    }

    /** Runs them. Returns the status to end with, or null if the server stops. */
    @Nullable
    BatchStatus run(LineReader lines, ResultLog results) throws IOException, InterruptedException {
        gate.open(this);
        try {
            BatchStatus end = null;
            while (end == null) {
                boolean waits = start(lines, results);
                if (abandoned || (draining && running.isEmpty())) {
                    return null;
                }
                if (next.isEmpty() && running.isEmpty() && retries.isEmpty()) {
                    return BatchStatus.COMPLETED;
                }
                take(results, waits ? ASK_MILLIS : LOOK_MILLIS);
                end = end();
            }
            return end;
        } finally {
            gate.close(this);
            running.forEach(each -> each.call.abort());
            running.clear();
        }
    }

    private @Nullable BatchStatus end() {
        Batch now = store.get(batch.id());
        if (now.status() == BatchStatus.CANCELLING) {
            return BatchStatus.CANCELLED;
        }
        return System.currentTimeMillis() >= now.expiresMillis() ? BatchStatus.EXPIRED : null;
    }

    /** Starts as many as may be. Returns whether one waits for a place or for its time. */
    private boolean start(LineReader lines, ResultLog results) throws IOException {
        if (isStopped()) {
            return false;
        }
        while (true) {
            Retry retry = retries.peek();
            boolean due = retry != null && System.nanoTime() - retry.atNanos >= 0;
            if (retry != null && !due) {
                // What the server does not take of one request it does not take of another.
                return true;
            }
            if (!due && next.isEmpty()) {
                BatchLine read = read(lines, results);
                if (read == null) {
                    return false;
                }
                next.add(read);
            }
            if (!gate.tryEnter(this)) {
                return true;
            }
            launch(due ? retries.remove().line : next.remove());
        }
    }

    private @Nullable BatchLine read(LineReader lines, ResultLog results) throws IOException {
        for (byte[] text = lines.next(); text != null; text = lines.next()) {
            if (!results.isDone(lines.number()) && !BatchLine.isBlank(text)) {
                return parse(text, lines.number());
            }
        }
        return null;
    }

    private BatchLine parse(byte[] text, int number) throws IOException {
        try {
            return parser.parse(text, number, batch.order().endpoint());
        } catch (BatchLine.Refused e) {
            throw new IOException("line " + number + " of the input file was good and is not any more", e);
        }
    }

    private void launch(BatchLine line) {
        Running started = new Running(line, work.start(batch, ResultLog.requestId(batch, line.number()), line.body()));
        running.add(started);
        // Never fails: a call tells of its failure by its outcome.
        var _ = started.call.outcome().thenAccept(outcome -> {
            gate.leave(this);
            inbox.add(new Arrival(started, outcome));
        });
    }

    /** Waits for something to come, and takes all that has. */
    private void take(ResultLog results, long millis) throws IOException, InterruptedException {
        Arrival arrival = inbox.poll(millis, TimeUnit.MILLISECONDS);
        while (arrival != null && !abandoned) {
            Running of = arrival.of;
            Outcome outcome = arrival.outcome;
            if (of != null && outcome != null) {
                running.remove(of);
                switch (outcome) {
                    case Outcome.Answered answered ->
                        results.answered(batch, of.line, answered.status(), answered.json());
                    case Outcome.Later later ->
                        retries.add(new Retry(
                                of.line, System.nanoTime() + later.after().toNanos()));
                }
            }
            arrival = inbox.poll();
        }
        results.forceIfDue();
        Counts counts = new Counts(batch.counts().total(), results.completed(), results.failed());
        store.show(batch.id(), counts, List.of());
    }

    /** Notes of all requests that are not done that they will not be. */
    void giveUp(LineReader lines, ResultLog results, BatchStatus why) throws IOException {
        String code = why == BatchStatus.EXPIRED ? "batch_expired" : "batch_cancelled";
        String message = why == BatchStatus.EXPIRED
                ? "This request could not be executed before the completion window expired."
                : "This request was not executed because the batch was cancelled.";
        for (BatchLine line = read(lines, results); line != null; line = read(lines, results)) {
            results.notRun(batch, line, code, message);
        }
    }
}
