package dev.apus.server.batch;

import dev.apus.server.batch.Batch.Counts;
import dev.apus.server.batch.Batch.Problem;
import dev.apus.server.batch.Batch.Results;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One batch from wherever it is to its end, on a thread of its own. What it does may be broken off at any point and is gone on with by
 * another run: each step is on the disk before the next begins. When the disk refuses something the run waits and goes on from what the
 * disk holds, as after a crash.
 */
final class BatchRun implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(BatchRun.class);

    private final String id;
    private final BatchOptions options;
    private final BatchStore store;
    private final FileStore files;
    private final Usage usage;
    private final Disk disk;
    private final BatchWork work;
    private final Gate gate;
    private final Runnable ended;
    private final Semaphore woken = new Semaphore(0);
    private volatile @Nullable BatchPass pass;
    private volatile boolean draining;
    private volatile boolean abandoned;

    /** @param ended called at the end of the run, on its thread */
    BatchRun(String id, Batches.Parts parts, Gate gate, Runnable ended) {
        this.id = id;
        options = parts.options();
        store = parts.store();
        files = parts.files();
        usage = parts.usage();
        disk = parts.disk();
        work = parts.work();
        this.gate = gate;
        this.ended = ended;
    }

    /** Something about the batch has changed. Any thread. */
    void wake() {
        woken.release();
        BatchPass now = pass;
        if (now != null) {
            now.wake();
        }
    }

    /** Ends when the requests that run have ended. Any thread. */
    void drain() {
        draining = true;
        BatchPass now = pass;
        if (now != null) {
            now.drain();
        }
        woken.release();
    }

    /** Ends as soon as it can; what runs is run again another time. Any thread. */
    void abandon() {
        abandoned = true;
        BatchPass now = pass;
        if (now != null) {
            now.abandon();
        }
        woken.release();
    }

    private boolean isStopped() {
        return draining || abandoned;
    }

    @Override
    public void run() {
        try {
            while (!isStopped() && !attempt()) {
                // Tried again after a pause.
            }
        } catch (InterruptedException e) {
            // The server ends; what is on the disk is gone on with at its next start.
            Thread.currentThread().interrupt();
        } finally {
            ended.run();
        }
    }

    /** Goes as far as it can; false to try again. */
    private boolean attempt() throws InterruptedException {
        try {
            try {
                advance();
                return true;
            } catch (IOException e) {
                hold("disk_error", "the server's disk fails, the batch waits: " + e.getMessage());
            } catch (BatchException e) {
                if (e.kind() != BatchException.Kind.QUOTA && e.kind() != BatchException.Kind.DISK) {
                    throw e;
                }
                hold("storage_quota_exceeded", e.getMessage() + "; the batch waits");
            }
            return false;
        } catch (RuntimeException e) {
            LOG.error("batch {} failed", id, e);
            fail(new Problem("internal_error", "the server failed on this batch, see its log", null, 0));
            return true;
        }
    }

    private void hold(String code, String message) throws InterruptedException {
        LOG.warn("batch {}: {}", id, message);
        store.show(id, store.get(id).counts(), List.of(new Problem(code, message, null, 0)));
        woken.drainPermits();
        if (!isStopped()) {
            var _ = woken.tryAcquire(options.retry().toMillis(), TimeUnit.MILLISECONDS);
        }
    }

    private void fail(Problem problem) {
        try {
            store.deleteParts(store.get(id));
            store.update(id, batch -> batch.withErrors(List.of(problem)).enter(BatchStatus.FAILED, now()));
        } catch (IOException e) {
            LOG.error("batch {}: its failure cannot be noted, it is tried again at the next start", id, e);
        }
    }

    private void advance() throws IOException, InterruptedException {
        Batch batch = store.get(id);
        if (batch.results() == null && !through(batch)) {
            return;
        }
        publish(store.get(id));
    }

    /** Brings it to where its results are known; false if the run is to end before or the batch has failed. */
    private boolean through(Batch given) throws IOException, InterruptedException {
        Path input;
        try {
            input = files.path(files.get(given.owner().tenant(), given.order().inputFileId()));
        } catch (BatchException e) {
            fail(new Problem("input_file_missing", "the input file is not there any more", null, 0));
            return false;
        }
        if (given.status() == BatchStatus.VALIDATING && !validate(given, input)) {
            return false;
        }
        Batch batch = store.get(id);
        BatchPass own = new BatchPass(batch, store, work, gate, new BatchLine.Parser(options.maxLineBytes()));
        pass = own;
        if (draining) {
            own.drain();
        }
        if (abandoned) {
            own.abandon();
        }
        try (ResultLog results = ResultLog.resume(store.paths(batch), batch, usage, disk)) {
            BatchStatus end = endOf(batch);
            if (end == null) {
                try (LineReader lines = LineReader.open(input, options.maxLineBytes())) {
                    end = own.run(lines, results);
                }
            }
            if (end == null) {
                results.force();
                return false;
            }
            // Those that were not validated are not named: what is wrong with them is not known.
            if (end != BatchStatus.COMPLETED && batch.counts().total() > 0) {
                try (LineReader rest = LineReader.open(input, options.maxLineBytes())) {
                    own.giveUp(rest, results, end);
                }
            }
            results.force();
            conclude(end, results);
        } finally {
            pass = null;
        }
        return true;
    }

    /** What it ends with before it runs, or null. */
    private static @Nullable BatchStatus endOf(Batch batch) {
        if (batch.status() == BatchStatus.CANCELLING) {
            return BatchStatus.CANCELLED;
        }
        return now() >= batch.expiresMillis() ? BatchStatus.EXPIRED : null;
    }

    /** Whether it may be run, or ended. */
    private boolean validate(Batch batch, Path input) throws IOException {
        Validation validation = new Validation(options, work, batch);
        try (LineReader lines = LineReader.open(input, options.maxLineBytes())) {
            validation.run(lines, () -> abandoned || store.get(id).status() != BatchStatus.VALIDATING);
        }
        if (abandoned) {
            return false;
        }
        Batch after = store.update(id, now -> {
            if (now.status() != BatchStatus.VALIDATING) {
                return now;
            }
            return validation.problems().isEmpty()
                    ? now.withErrors(List.of())
                            .withCounts(new Counts(validation.requests(), 0, 0))
                            .enter(BatchStatus.IN_PROGRESS, now())
                    : now.withErrors(validation.problems()).enter(BatchStatus.FAILED, now());
        });
        return after.status() != BatchStatus.FAILED;
    }

    /** Fixes what the batch leaves behind, before it is there. */
    private void conclude(BatchStatus wanted, ResultLog results) throws IOException {
        String output = results.completed() > 0 ? files.newId() : null;
        String errors = results.failed() > 0 ? files.newId() : null;
        store.update(id, batch -> {
            boolean cancelled = batch.status() == BatchStatus.CANCELLING;
            Batch counted = batch.withErrors(List.of())
                    .withCounts(new Counts(batch.counts().total(), results.completed(), results.failed()))
                    .withResults(new Results(cancelled ? BatchStatus.CANCELLED : wanted, output, errors));
            return cancelled ? counted : counted.enter(BatchStatus.FINALIZING, now());
        });
    }

    /** Makes files of what it leaves behind; may be done again after a crash. */
    private void publish(Batch batch) throws IOException {
        Results results = batch.results();
        if (results == null) {
            throw new IllegalStateException("batch " + id + " has no results yet");
        }
        BatchStore.Paths paths = store.paths(batch);
        adopt(batch, results.outputFileId(), "output", paths.output());
        adopt(batch, results.errorFileId(), "error", paths.errors());
        store.deleteParts(batch);
        store.update(id, now -> now.withErrors(List.of()).enter(results.ending(), now()));
        LOG.info(
                "batch {} is {}: {} requests completed, {} failed",
                id,
                results.ending().word(),
                batch.counts().completed(),
                batch.counts().failed());
    }

    private void adopt(Batch batch, @Nullable String fileId, String what, Path from) throws IOException {
        if (fileId != null) {
            files.adopt(fileId, batch.owner().tenant(), batch.id() + "_" + what + ".jsonl", from);
        }
    }

    private static long now() {
        return System.currentTimeMillis();
    }
}
