package dev.apus.kernels.cpu;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The threads that one CPU backend computes on: {@code threads - 1} workers and whichever thread calls {@link #run}.
 *
 * <p>A job is cut into parts that threads claim one by one, so a thread that lost its core delays the job by one part only. One word
 * holds (epoch, parts, next part): a claim is a compare-and-set of it, which fails for a worker that woke up for an older job. Idle
 * threads spin for {@value #SPIN_NANOS} ns, about the gap between two kernels of a step, then park. Running a job allocates nothing.
 *
 * <p>One thread at a time may call {@link #run}, and never from inside a task.
 */
public final class CpuPool implements AutoCloseable {
    /** A job. Which thread runs a part must not change the result. */
    @FunctionalInterface
    public interface Task {
        /**
         * @param part which part, {@code 0 <= part < parts}
         * @param parts number of parts of this job
         * @param thread who runs it, {@code 0 <= thread < threads()}: picks scratch memory
         */
        void run(int part, int parts, int thread);
    }

    /** Most parts of one job: the claim word has 16 bits for each count. */
    public static final int MAX_PARTS = 0xFFFF;

    /** Longer than the serial stretches inside a step, far shorter than a step. */
    private static final long SPIN_NANOS = 60_000;

    /** A look at the clock costs as much as a few spins: seldom enough that the spinning sees new work at once. */
    private static final int SPINS_PER_CLOCK_READ = 32;

    private final int threads;
    private final Thread[] workers;
    /** Set while the worker is parked or about to park. */
    private final AtomicBoolean[] parked;
    /** Epoch in the upper 32 bits, then parts, then the next part to claim. */
    private final AtomicLong claims = new AtomicLong();

    private final AtomicInteger done = new AtomicInteger();
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    private final AtomicReference<@Nullable Thread> waiter = new AtomicReference<>();
    private final AtomicBoolean busy = new AtomicBoolean();
    private @Nullable Task task;
    private volatile boolean closed;

    /**
     * Starts the workers.
     *
     * @param threads threads that compute, the caller's included, at least 1
     */
    public CpuPool(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads is " + threads + "; at least 1 is needed");
        }
        this.threads = threads;
        workers = new Thread[threads - 1];
        parked = new AtomicBoolean[threads - 1];
        for (int i = 0; i < workers.length; i++) {
            int worker = i;
            parked[i] = new AtomicBoolean();
            workers[i] =
                    Thread.ofPlatform().name("apus-cpu-" + (i + 1)).daemon(true).unstarted(() -> work(worker));
        }
        for (Thread worker : workers) {
            worker.start();
        }
    }

    /** Threads that compute, the caller's included. */
    public int threads() {
        return threads;
    }

    /** Parts to cut {@code items} equal items into so that each holds at least {@code grain} and threads get a few parts each. */
    public int parts(long items, long grain) {
        long parts = threads == 1 ? 1 : Math.min(items / Math.max(1, grain), threads * 4L);
        return Math.clamp(parts, 1, MAX_PARTS);
    }

    /** First item of a part when {@code items} are split as evenly as multiples of {@code multiple} allow. */
    public static int start(int part, int parts, int items, int multiple) {
        int groups = (items + multiple - 1) / multiple;
        return (int) Math.min(items, (long) groups * part / parts * multiple);
    }

    /**
     * Runs all parts and returns when the last has ended; one part runs on the caller without waking anybody.
     *
     * @throws RuntimeException or Error: the first one that a part threw. Once this is thrown no part runs any more: the others have
     *     ended, or, where the caller works alone, were not begun
     * @throws IllegalStateException if the pool is closed or already running a job
     */
    public void run(Task job, int parts) {
        if (parts < 1 || parts > MAX_PARTS) {
            throw new IllegalArgumentException("parts is " + parts + "; 1 to " + MAX_PARTS + " are allowed");
        }
        if (!busy.compareAndSet(false, true)) {
            throw new IllegalStateException("the pool is already running a job");
        }
        try {
            if (closed) {
                throw new IllegalStateException("the pool is closed");
            }
            if (parts == 1 || threads == 1) {
                for (int part = 0; part < parts; part++) {
                    job.run(part, parts, 0);
                }
                return;
            }
            task = job;
            done.setPlain(0);
            long epoch = (claims.getPlain() >>> 32) + 1;
            claims.set(epoch << 32 | (long) parts << 16);
            wake(parts - 1);
            claimParts(0);
            awaitDone(parts);
        } finally {
            task = null;
            busy.set(false);
        }
        Throwable thrown = failure.getPlain();
        if (thrown != null) {
            failure.setPlain(null);
            rethrow(thrown);
        }
    }

    private static void rethrow(Throwable thrown) {
        switch (thrown) {
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException("a task threw a checked exception", thrown);
        }
    }

    private void wake(int wanted) {
        int count = Math.min(wanted, workers.length);
        for (int i = 0; i < count; i++) {
            if (parked[i].get() && parked[i].compareAndSet(true, false)) {
                LockSupport.unpark(workers[i]);
            }
        }
    }

    /** Claims and runs parts of the current job until none is left. */
    private void claimParts(int thread) {
        while (true) {
            long word = claims.get();
            int parts = (int) (word >>> 16) & 0xFFFF;
            int part = (int) word & 0xFFFF;
            if (part >= parts) {
                return;
            }
            Task job = task;
            // While parts are left the job cannot have ended, so a successful claim proves that `job` is this epoch's.
            if (job != null && claims.compareAndSet(word, word + 1)) {
                runPart(job, part, parts, thread);
            }
        }
    }

    private void runPart(Task job, int part, int parts, int thread) {
        try {
            job.run(part, parts, thread);
        } catch (Throwable t) {
            failure.compareAndSet(null, t);
        }
        if (done.incrementAndGet() == parts) {
            Thread sleeper = waiter.get();
            if (sleeper != null) {
                LockSupport.unpark(sleeper);
            }
        }
    }

    private void awaitDone(int parts) {
        if (spinUntilDone(parts)) {
            return;
        }
        waiter.set(Thread.currentThread());
        while (done.get() < parts) {
            LockSupport.park(this);
        }
        waiter.set(null);
    }

    private boolean spinUntilDone(int parts) {
        long start = System.nanoTime();
        do {
            for (int i = 0; i < SPINS_PER_CLOCK_READ; i++) {
                if (done.get() >= parts) {
                    return true;
                }
                Thread.onSpinWait();
            }
        } while (System.nanoTime() - start < SPIN_NANOS);
        return false;
    }

    private void work(int worker) {
        while (!closed) {
            claimParts(worker + 1);
            if (!spinUntilWork()) {
                parked[worker].set(true);
                while (parked[worker].get() && !hasWork() && !closed) {
                    LockSupport.park(this);
                }
                parked[worker].set(false);
            }
        }
    }

    private boolean hasWork() {
        long word = claims.get();
        return ((int) word & 0xFFFF) < ((int) (word >>> 16) & 0xFFFF);
    }

    private boolean spinUntilWork() {
        long start = System.nanoTime();
        do {
            for (int i = 0; i < SPINS_PER_CLOCK_READ; i++) {
                if (hasWork() || closed) {
                    return true;
                }
                Thread.onSpinWait();
            }
        } while (System.nanoTime() - start < SPIN_NANOS);
        return false;
    }

    /** Ends the workers and waits for them. */
    @Override
    public void close() {
        closed = true;
        boolean interrupted = false;
        for (Thread worker : workers) {
            LockSupport.unpark(worker);
            while (worker.isAlive()) {
                try {
                    worker.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
