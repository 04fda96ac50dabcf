package dev.apus.scheduler;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * A tenant in the scheduler: its waiting sequences in order, how much it has been served, and what is told of it. Owned by the engine's
 * thread; only {@link #stats} is for others.
 */
final class TenantQueue {
    private static final int RUNNING = 0;
    private static final int WAITING = 1;
    private static final int PROMPT = 2;
    private static final int CACHED = 3;
    private static final int GENERATION = 4;
    private static final int PREEMPTIONS = 5;

    private final String name;
    private final Sequences sequences;
    /** Written without a fence, read by anybody. */
    private final AtomicLongArray counters = new AtomicLongArray(PREEMPTIONS + 1);

    double weight;
    double kvShare;
    /** What it was served, divided by its weight: the virtual token counter. */
    double served;
    /** Sequences that run. */
    int running;
    /** Whether this step has nothing more for it. */
    boolean passed;

    private int[] waiting = new int[8];
    private int waitingCount;

    TenantQueue(Tenant tenant, Sequences sequences) {
        name = tenant.name();
        this.sequences = sequences;
        weigh(tenant);
    }

    /** Takes over weight and share: they may have been changed since the tenant's last request. */
    void weigh(Tenant tenant) {
        weight = tenant.weight();
        kvShare = tenant.kvShare();
    }

    int waitingCount() {
        return waitingCount;
    }

    /** The i-th waiting row. */
    int waiting(int i) {
        return waiting[i];
    }

    boolean isIdle() {
        return waitingCount == 0 && running == 0;
    }

    /** Queues a sequence in its place. */
    void enqueue(int row) {
        if (waitingCount == waiting.length) {
            waiting = Arrays.copyOf(waiting, waitingCount * 2);
        }
        int low = 0;
        int high = waitingCount;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (sequences.before(waiting[middle], row)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        System.arraycopy(waiting, low, waiting, low + 1, waitingCount - low);
        waiting[low] = row;
        waitingCount++;
        counters.setOpaque(WAITING, waitingCount);
    }

    /** Takes a sequence out of the queue, if it is there. */
    boolean removeWaiting(int row) {
        int rest = Scheduler.removeFrom(waiting, waitingCount, row);
        boolean found = rest < waitingCount;
        waitingCount = rest;
        counters.setOpaque(WAITING, waitingCount);
        return found;
    }

    /** One more or one less of its sequences runs. */
    void addRunning(int change) {
        running += change;
        counters.setOpaque(RUNNING, running);
    }

    void countPrompt(int tokens, int cached) {
        add(PROMPT, tokens);
        add(CACHED, cached);
    }

    void countGenerated() {
        add(GENERATION, 1);
    }

    void countPreemption() {
        add(PREEMPTIONS, 1);
    }

    private void add(int counter, long value) {
        counters.setOpaque(counter, counters.getPlain(counter) + value);
    }

    /** What is told of it; any thread. */
    TenantStats stats() {
        return new TenantStats(
                name,
                (int) counters.getOpaque(RUNNING),
                (int) counters.getOpaque(WAITING),
                counters.getOpaque(PROMPT),
                counters.getOpaque(CACHED),
                counters.getOpaque(GENERATION),
                counters.getOpaque(PREEMPTIONS));
    }

    String name() {
        return name;
    }
}
