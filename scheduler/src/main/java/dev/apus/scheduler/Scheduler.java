package dev.apus.scheduler;

import dev.apus.kvcache.BlockHashes;
import dev.apus.kvcache.BlockManager;
import java.util.function.LongSupplier;

/**
 * Decides what each step computes, by the rules of vLLM's V1 scheduler: there is no prefill or decode phase, a step is a number of tokens
 * per sequence under a token budget. Sequences that generate come first. What they leave of the budget goes to prompts, tenant by tenant as
 * {@link Tenants} says whose turn it is: first to the prompts of a tenant that run, then to its waiting ones, if nobody had to be preempted.
 *
 * <p>When blocks run out, the tenant that has been served most gives up its running sequence of the lowest priority that arrived last: it
 * gives all its blocks back and is recomputed later. A tenant whose turn it is but that finds no room takes it from the others in the same
 * way, as long as they have more than their share and it has less: sequences end by themselves all the time, but not when they are long,
 * and the last to arrive has the least to lose.
 *
 * <p>Among a tenant's waiting requests of equal priority the one with the longest cached prefix goes first (SGLang's longest-prefix-match),
 * looked for in a window of the queue; one that was passed over {@value #MOST_PASSED_OVER} times goes before all. A request whose next block
 * is just being computed by a running prompt waits for it instead of computing it twice. Owned by the engine's thread.
 *
 * <p>A step may be scheduled while the one before runs, whose drawn tokens are pending. A preempted sequence keeps its pending token; as
 * nobody is admitted after a preemption of the same step, the token is known before its owner is admitted again.
 */
final class Scheduler {
    /** After so many later requests went first, a request is next whatever is cached. */
    static final int MOST_PASSED_OVER = 16;
    /** Requests at the head of the queue that are looked at for cached prefixes: bounds the cost of an admission. */
    private static final int WINDOW = 64;

    private final Sequences sequences;
    private final BlockManager blocks;
    private final EngineOptions options;
    private final Counters counters;
    private final AdmissionControl admissions;
    private final LongSupplier clock;
    private final int[] running;
    private final int[] step;
    private final Tenants tenants;
    private int runningCount;
    private int stepCount;
    private int budget;
    private int promptLogitRows;
    private boolean preempted;
    /** Whether the step may still take in sequences that wait. */
    private boolean admitting;

    Scheduler(
            Sequences sequences,
            Tenants tenants,
            BlockManager blocks,
            EngineOptions options,
            Counters counters,
            AdmissionControl admissions,
            LongSupplier clock) {
        this.sequences = sequences;
        this.tenants = tenants;
        this.blocks = blocks;
        this.options = options;
        this.counters = counters;
        this.admissions = admissions;
        this.clock = clock;
        running = new int[options.maxNumSeqs()];
        step = new int[options.maxNumSeqs()];
    }

    int runningCount() {
        return runningCount;
    }

    int running(int i) {
        return running[i];
    }

    /** Sequences of the step. */
    int stepCount() {
        return stepCount;
    }

    /** Row of the i-th sequence of the step; {@link Sequences#scheduled} has its tokens. */
    int step(int i) {
        return step[i];
    }

    /** Whether building the last step cost somebody its blocks. */
    boolean hasPreempted() {
        return preempted;
    }

    /** Takes a sequence out and gives its blocks back. */
    void remove(int row) {
        blocks.free(row);
        int before = runningCount;
        runningCount = removeFrom(running, runningCount, row);
        if (runningCount < before) {
            tenants.stopped(row);
        } else {
            tenants.dequeue(sequences.tenant(row), row);
        }
    }

    /** Builds the next step. */
    void schedule() {
        stepCount = 0;
        budget = options.maxNumBatchedTokens();
        promptLogitRows = options.maxLogitRows() - options.maxNumSeqs();
        preempted = false;
        // Sequences that generate come before prompts, so that a long prompt never holds up tokens that are due.
        scheduleGenerating();
        admitting = true;
        tenants.begin();
        TenantQueue tenant = budget > 0 ? tenants.next() : null;
        while (tenant != null) {
            if (!continuePrompt(tenant) && !admitNext(tenant)) {
                tenant.passed = true;
            }
            tenant = budget > 0 ? tenants.next() : null;
        }
    }

    private void scheduleGenerating() {
        int i = 0;
        while (i < runningCount && budget > 0) {
            int row = running[i];
            int before = runningCount;
            if (isDue(row) && sequences.remaining(row) == 1) {
                compute(row);
            }
            // Preemption moves rows; from the start again, what is scheduled already is skipped.
            i = runningCount < before ? 0 : i + 1;
        }
    }

    /** Computes more of a running prompt of the tenant; false if there is none that can be. */
    private boolean continuePrompt(TenantQueue tenant) {
        int i = 0;
        while (tenant.running > 0 && i < runningCount) {
            int row = running[i];
            int before = runningCount;
            boolean prompt = sequences.tenant(row) == tenant && isDue(row) && sequences.remaining(row) > 1;
            if (prompt && compute(row)) {
                return true;
            }
            i = runningCount < before ? 0 : i + 1;
        }
        return false;
    }

    private boolean isDue(int row) {
        return sequences.scheduled[row] == 0 && !sequences.held[row];
    }

    /** Adds as much of a running sequence to the step as fits; false if that is nothing. */
    private boolean compute(int row) {
        int count = chunk(row);
        if (count == 0 || !makeRoom(row, sequences.computed[row] + count)) {
            return false;
        }
        addToStep(row, count);
        return true;
    }

    /** Tokens of a sequence that this step may compute. */
    private int chunk(int row) {
        int count = Math.min(sequences.remaining(row), budget);
        int threshold = options.longPrefillTokenThreshold();
        if (threshold > 0) {
            count = Math.min(count, threshold);
        }
        if (sequences.promptScored[row] < sequences.promptLength[row]) {
            int unscored = sequences.logitsFrom(row, count) - sequences.computed[row];
            count = Math.min(count, unscored + promptLogitRows);
        }
        return count;
    }

    private void addToStep(int row, int count) {
        sequences.scheduled[row] = count;
        step[stepCount++] = row;
        budget -= count;
        tenants.charge(row, sequences.computed[row] + count);
        promptLogitRows -= promptRows(row, count);
    }

    private int promptRows(int row, int count) {
        boolean scoring = sequences.promptScored[row] < sequences.promptLength[row];
        return scoring ? sequences.computed[row] + count - sequences.logitsFrom(row, count) : 0;
    }

    /** Grows a running row, preempting others if need be; false if the row itself had to go. */
    private boolean makeRoom(int row, int tokens) {
        while (!blocks.grow(row, tokens)) {
            int victim = row;
            for (int i = 0; i < runningCount; i++) {
                if (tenants.yieldsBefore(running[i], victim)) {
                    victim = running[i];
                }
            }
            preempt(victim);
            if (victim == row) {
                return false;
            }
        }
        return true;
    }

    private void preempt(int row) {
        if (sequences.scheduled[row] > 0) {
            budget += sequences.scheduled[row];
            promptLogitRows += promptRows(row, sequences.scheduled[row]);
            sequences.scheduled[row] = 0;
            stepCount = removeFrom(step, stepCount, row);
        }
        remove(row);
        sequences.startAt(row, 0);
        sequences.preemptions[row]++;
        tenants.enqueue(row);
        sequences.tenant(row).countPreemption();
        sequences.submission(row).progress.stopped(sequences.preemptions[row]);
        preempted = true;
        counters.add(Counters.PREEMPTIONS, 1);
    }

    /** Has a running sequence computed anew from its first token on, under other hashes. */
    void restart(int row, BlockHashes chain) {
        remove(row);
        sequences.startAt(row, 0);
        sequences.rehash(row, chain);
        sequences.submission(row).progress.stopped(sequences.preemptions[row]);
        tenants.enqueue(row);
    }

    /** Admits the tenant's next waiting sequence; false if there is none or it has to wait. */
    private boolean admitNext(TenantQueue tenant) {
        if (!admitting || preempted || tenant.waitingCount() == 0) {
            return false;
        }
        int row = -1;
        if (runningCount < options.maxNumSeqs()) {
            row = nextWaiting(tenant);
            if (row < 0 || exceedsShare(tenant, row)) {
                return false;
            }
            if (admit(row)) {
                return true;
            }
        }
        // Who waits for room keeps the others from taking it bit by bit.
        admitting = false;
        admissions.rates().full(runningCount);
        takeRoom(tenant, row < 0 ? tenant.waiting(0) : row);
        return false;
    }

    /** Whether the sequence would take its tenant beyond its part of the KV cache while others wait. */
    private boolean exceedsShare(TenantQueue tenant, int row) {
        return tenant.kvShare < 1
                && tenant.running > 0
                && tenants.othersWait(tenant)
                && blocksOf(tenant) + blocks.blocksFor(sequences.length[row]) > tenant.kvShare * blocks.blocks();
    }

    private int blocksOf(TenantQueue tenant) {
        int count = 0;
        for (int i = 0; i < runningCount; i++) {
            count += sequences.tenant(running[i]) == tenant ? blocks.blockCount(running[i]) : 0;
        }
        return count;
    }

    /** Preempts a sequence of the tenant that was served most, if that one has more than its share and {@code needy} stays within its own. */
    private void takeRoom(TenantQueue needy, int row) {
        double share = tenants.share(needy);
        if (needy.running + 1 > places(share)
                || blocksOf(needy) + blocks.blocksFor(sequences.length[row]) > share * blocks.blocks()) {
            return;
        }
        int victim = -1;
        for (int i = 0; i < runningCount; i++) {
            TenantQueue owner = sequences.tenant(running[i]);
            boolean later = victim < 0 || tenants.yieldsBefore(running[i], victim);
            if (owner != needy && owner.served > needy.served && later && hasMoreThanItsShare(owner)) {
                victim = running[i];
            }
        }
        if (victim >= 0) {
            preempt(victim);
        }
    }

    private boolean hasMoreThanItsShare(TenantQueue tenant) {
        double share = tenants.share(tenant);
        return tenant.running > places(share) || blocksOf(tenant) > Math.min(share, tenant.kvShare) * blocks.blocks();
    }

    /** Everybody has one place, however many they are. */
    private double places(double share) {
        return Math.max(1, share * options.maxNumSeqs());
    }

    /** The waiting row of the tenant to admit next, or -1 if all had better wait. */
    private int nextWaiting(TenantQueue tenant) {
        int head = tenant.waiting(0);
        if (!options.enablePrefixCaching() || sequences.passedOver[head] >= MOST_PASSED_OVER) {
            return head;
        }
        int best = -1;
        int bestHits = -1;
        int end = Math.min(tenant.waitingCount(), WINDOW);
        for (int i = 0; i < end && sequences.priority[tenant.waiting(i)] == sequences.priority[head]; i++) {
            int row = tenant.waiting(i);
            int hits = cachedTokens(row);
            if (hits > bestHits && !isBeingComputed(row, hits / blocks.blockSize())) {
                best = i;
                bestHits = hits;
            }
        }
        for (int i = 0; i < best; i++) {
            sequences.passedOver[tenant.waiting(i)]++;
        }
        return best < 0 ? -1 : tenant.waiting(best);
    }

    private int cachedTokens(int row) {
        return skipsCache(row)
                ? 0
                : blocks.cachedTokens(sequences.tokens[row], sequences.length[row], sequences.hashes(row));
    }

    /** Log-probabilities of the prompt need its logits: cached keys and values do not help. */
    private boolean skipsCache(int row) {
        return sequences.promptScored[row] < sequences.promptLength[row];
    }

    /** Whether a running prompt is about to fill the row's block {@code block}, or has in a step that is not read yet. */
    private boolean isBeingComputed(int row, int block) {
        BlockHashes chain = sequences.hashes(row);
        if (skipsCache(row) || block >= Math.min((sequences.length[row] - 1) / blocks.blockSize(), chain.count())) {
            return false;
        }
        for (int i = 0; i < runningCount; i++) {
            BlockHashes other = sequences.hashes(running[i]);
            if (block < other.count()
                    && sequences.settled[running[i]] < (block + 1) * blocks.blockSize()
                    && other.lo(block) == chain.lo(block)
                    && other.hi(block) == chain.hi(block)) {
                return true;
            }
        }
        return false;
    }

    /**
     * Admits a waiting request if the blocks of all its tokens are free beyond what running prompts still need and one more block for
     * each running sequence; with less, the newcomer would soon be preempted again.
     */
    private boolean admit(int row) {
        int reserved = 0;
        for (int i = 0; i < runningCount; i++) {
            int needed = blocks.blocksFor(sequences.length[running[i]]);
            reserved += 1 + Math.max(0, needed - blocks.blockCount(running[i]));
        }
        int length = sequences.length[row];
        // A length of 1 finds nothing.
        int hits = blocks.start(row, sequences.tokens[row], skipsCache(row) ? 1 : length, sequences.hashes(row));
        sequences.startAt(row, hits);
        int count = chunk(row);
        int missing =
                blocks.blocksFor(Math.min(length + 1, blocks.blocks() * blocks.blockSize())) - blocks.blockCount(row);
        if (count == 0 || blocks.freeBlocks() - reserved < missing || !blocks.grow(row, hits + count)) {
            blocks.free(row);
            sequences.startAt(row, 0);
            return false;
        }
        tenants.admit(row);
        sequences
                .submission(row)
                .progress
                .admitted(sequences.firstScheduled[row] == 0 ? hits : sequences.cached[row], hits);
        running[runningCount++] = row;
        admissions.rates().running(runningCount);
        sequences.charged[row] = Math.max(sequences.charged[row], hits);
        addToStep(row, count);
        if (sequences.firstScheduled[row] == 0) {
            sequences.firstScheduled[row] = clock.getAsLong();
            sequences.cached[row] = hits;
            admissions.begun(sequences.submission(row), hits, sequences.firstScheduled[row]);
            counters.add(Counters.PREFIX_QUERIES, length);
            counters.add(Counters.PREFIX_HITS, hits);
        }
        return true;
    }

    /** Takes a row out of a list and returns how many are left. */
    static int removeFrom(int[] list, int count, int row) {
        int at = 0;
        while (at < count && list[at] != row) {
            at++;
        }
        if (at == count) {
            return count;
        }
        System.arraycopy(list, at + 1, list, at, count - at - 1);
        return count - 1;
    }
}
