package dev.apus.scheduler;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The tenants and whose turn it is, by the virtual token counters of "Fairness in Serving Large Language Models" (Sheng et al., OSDI 2024):
 * a tenant's counter grows by each token computed for it, an output token counting {@value #OUTPUT_COST} of the input, divided by its
 * weight; the one with the least counter is next. A tenant that comes back is lifted to the least counter of those that wait, or if nobody
 * waits to that of the last that did: being away saves up nothing. Unlike in the paper, one whose sequences run while none waits is not
 * away: it keeps up to an allowance of what it did not take, or each request of a tenant below its share would wait for what those before
 * it cost. Tokens from the prefix cache and tokens computed anew after a preemption cost nothing. Owned by the engine's thread; only {@link #stats} is for others.
 */
final class Tenants {
    /** An output token costs about twice an input token, as in the paper: it is computed in smaller batches. */
    private static final double OUTPUT_COST = 2;
    /** Idle tenants that are remembered: their counters matter only until the others have caught up. */
    static final int MOST_IDLE = 1024;

    private final Sequences sequences;
    private final ConcurrentHashMap<String, TenantQueue> byName = new ConcurrentHashMap<>();
    /** Those with sequences, waiting or running. */
    private final List<TenantQueue> active = new ArrayList<>();

    private final double allowance;
    private int waitingCount;
    /** The last tenant whose queue became empty. */
    private @Nullable TenantQueue lastServed;

    /** @param allowance tokens that a tenant that runs below its share may have saved up */
    Tenants(Sequences sequences, double allowance) {
        this.allowance = allowance;
        this.sequences = sequences;
    }

    /** Sequences that wait, of all tenants. */
    int waitingCount() {
        return waitingCount;
    }

    /** Any sequence that waits; there must be one. */
    int firstWaiting() {
        for (int i = 0; i < active.size(); i++) {
            if (active.get(i).waitingCount() > 0) {
                return active.get(i).waiting(0);
            }
        }
        throw new IllegalStateException("no sequence waits");
    }

    int activeCount() {
        return active.size();
    }

    /** The i-th tenant with sequences; any order. */
    TenantQueue active(int i) {
        return active.get(i);
    }

    /** The queue of a tenant, made if it is new. */
    TenantQueue of(Tenant tenant) {
        TenantQueue queue = byName.get(tenant.name());
        if (queue == null) {
            if (byName.size() - active.size() >= MOST_IDLE) {
                forgetOne();
            }
            queue = new TenantQueue(tenant, sequences);
            byName.put(tenant.name(), queue);
        } else {
            queue.weigh(tenant);
        }
        return queue;
    }

    /** Forgets the idle tenant with the least counter: the one that gains the least by it, mostly nothing as it would be lifted. */
    private void forgetOne() {
        TenantQueue least = null;
        for (TenantQueue queue : byName.values()) {
            if (queue.isIdle() && (least == null || queue.served < least.served)) {
                least = queue;
            }
        }
        if (least != null) {
            byName.remove(least.name());
        }
    }

    /** Queues a sequence that has come. */
    void enqueueNew(int row) {
        TenantQueue queue = sequences.tenant(row);
        if (queue.waitingCount() == 0) {
            lift(queue);
        }
        enqueue(row);
    }

    private void lift(TenantQueue queue) {
        TenantQueue least = null;
        for (int i = 0; i < active.size(); i++) {
            TenantQueue other = active.get(i);
            if (other.waitingCount() > 0 && (least == null || other.served < least.served)) {
                least = other;
            }
        }
        TenantQueue floor = least == null ? lastServed : least;
        if (floor != null) {
            double saved = queue.running > 0 ? allowance / queue.weight : 0;
            queue.served = Math.max(queue.served, floor.served - saved);
        }
    }

    /** Queues a sequence, one that ran before included. */
    void enqueue(int row) {
        TenantQueue queue = sequences.tenant(row);
        if (queue.isIdle()) {
            active.add(queue);
        }
        queue.enqueue(row);
        waitingCount++;
    }

    /** A waiting sequence runs from now on. */
    void admit(int row) {
        TenantQueue queue = sequences.tenant(row);
        queue.addRunning(1);
        dequeue(queue, row);
    }

    /** Takes a waiting sequence out, if it is there. */
    void dequeue(TenantQueue queue, int row) {
        if (queue.removeWaiting(row)) {
            waitingCount--;
            if (queue.waitingCount() == 0) {
                lastServed = queue;
            }
            retire(queue);
        }
    }

    /** A sequence does not run any more. */
    void stopped(int row) {
        TenantQueue queue = sequences.tenant(row);
        queue.addRunning(-1);
        retire(queue);
    }

    private void retire(TenantQueue queue) {
        if (queue.isIdle()) {
            active.remove(queue);
        }
    }

    /** Charges tokens of a sequence up to position {@code end}, each once. */
    void charge(int row, int end) {
        int from = sequences.charged[row];
        if (end <= from) {
            return;
        }
        int prompt = sequences.promptLength[row];
        int input = Math.max(0, Math.min(end, prompt) - from);
        TenantQueue queue = sequences.tenant(row);
        queue.served += (input + OUTPUT_COST * (end - from - input)) / queue.weight;
        sequences.charged[row] = end;
    }

    /** Before the prompts of a step are chosen. */
    void begin() {
        for (int i = 0; i < active.size(); i++) {
            active.get(i).passed = false;
        }
    }

    /** The tenant whose turn it is: the one served least, of equal ones that with fewer sequences that run; null if all have passed. */
    @Nullable
    TenantQueue next() {
        TenantQueue next = null;
        for (int i = 0; i < active.size(); i++) {
            TenantQueue queue = active.get(i);
            if (!queue.passed
                    && (next == null
                            || queue.served < next.served
                            || (queue.served == next.served && queue.running < next.running))) {
                next = queue;
            }
        }
        return next;
    }

    /** Whether a tenant other than this one waits. */
    boolean othersWait(TenantQueue queue) {
        return waitingCount > queue.waitingCount();
    }

    /** The part of the engine that is a tenant's while those that are active now are. */
    double share(TenantQueue queue) {
        double weights = 0;
        for (int i = 0; i < active.size(); i++) {
            weights += active.get(i).weight;
        }
        return queue.weight / weights;
    }

    /** Whether {@code a} is to lose its blocks before {@code b}: its tenant was served more, or it is the later one of the same tenant. */
    boolean yieldsBefore(int a, int b) {
        double servedA = sequences.tenant(a).served;
        double servedB = sequences.tenant(b).served;
        boolean same = sequences.tenant(a) == sequences.tenant(b) || servedA == servedB;
        return same ? sequences.before(b, a) : servedA > servedB;
    }

    /** What is told of each; any thread. */
    List<TenantStats> stats() {
        return byName.values().stream().map(TenantQueue::stats).toList();
    }
}
