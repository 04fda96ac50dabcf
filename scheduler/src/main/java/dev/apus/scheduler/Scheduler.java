package dev.apus.scheduler;

import dev.apus.kvcache.BlockHashes;
import dev.apus.kvcache.BlockManager;
import java.util.Arrays;
import java.util.function.LongSupplier;

/**
 * Decides what each step computes, by the rules of vLLM's V1 scheduler: there is no prefill or decode phase, a step is a number of tokens
 * per sequence under a token budget. Running sequences come first; when blocks run out, the running sequence of the lowest priority that
 * arrived last gives all its blocks back and is recomputed later. Then waiting ones are admitted, if nobody had to be preempted.
 *
 * <p>Among waiting requests of equal priority the one with the longest cached prefix goes first (SGLang's longest-prefix-match), looked
 * for in a window of the queue; one that was passed over {@value #MOST_PASSED_OVER} times goes before all. A request whose next block is
 * just being computed by a running prompt waits for it instead of computing it twice. Owned by the engine's thread.
 *
 * <p>A step may be scheduled while the one before runs, whose drawn tokens are pending. A preempted sequence keeps its pending token; as
 * nobody is admitted in a step that preempts, the token is known before its owner is admitted again.
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
    private final LongSupplier clock;
    private final int[] running;
    private final int[] step;
    private int[] waiting = new int[64];
    private int runningCount;
    private int waitingCount;
    private int stepCount;
    private int budget;
    private int promptLogitRows;
    private boolean preempted;

    Scheduler(Sequences sequences, BlockManager blocks, EngineOptions options, Counters counters, LongSupplier clock) {
        this.sequences = sequences;
        this.blocks = blocks;
        this.options = options;
        this.counters = counters;
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

    int waitingCount() {
        return waitingCount;
    }

    int waiting(int i) {
        return waiting[i];
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
    }

    /** Takes a sequence out and gives its blocks back. */
    void remove(int row) {
        blocks.free(row);
        runningCount = removeFrom(running, runningCount, row);
        waitingCount = removeFrom(waiting, waitingCount, row);
    }

    /** Builds the next step. */
    void schedule() {
        stepCount = 0;
        budget = options.maxNumBatchedTokens();
        promptLogitRows = options.maxLogitRows() - options.maxNumSeqs();
        preempted = false;
        // Sequences that generate come before prompts, so that a long prompt never holds up tokens that are due.
        scheduleRunning(true);
        scheduleRunning(false);
        while (!preempted && budget > 0 && runningCount < options.maxNumSeqs() && waitingCount > 0) {
            int next = nextWaiting();
            if (next < 0 || !admit(next)) {
                break;
            }
        }
    }

    private void scheduleRunning(boolean generating) {
        int i = 0;
        while (i < runningCount && budget > 0) {
            int row = running[i];
            int before = runningCount;
            boolean chosen = sequences.scheduled[row] == 0
                    && !sequences.held[row]
                    && (sequences.remaining(row) == 1) == generating;
            int count = chosen ? chunk(row) : 0;
            if (count > 0 && makeRoom(row, sequences.computed[row] + count)) {
                addToStep(row, count);
            }
            // Preemption moves rows; from the start again, what is scheduled already is skipped.
            i = runningCount < before ? 0 : i + 1;
        }
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
                if (sequences.before(victim, running[i])) {
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
        enqueue(row);
        preempted = true;
        counters.add(Counters.PREEMPTIONS, 1);
    }

    /** Has a running sequence computed anew from its first token on, under other hashes. */
    void restart(int row, BlockHashes chain) {
        remove(row);
        sequences.startAt(row, 0);
        sequences.rehash(row, chain);
        enqueue(row);
    }

    /** Index in the queue of the request to admit, or -1 if all had better wait. */
    private int nextWaiting() {
        int head = waiting[0];
        if (!options.enablePrefixCaching() || sequences.passedOver[head] >= MOST_PASSED_OVER) {
            return 0;
        }
        int best = -1;
        int bestHits = -1;
        int end = Math.min(waitingCount, WINDOW);
        for (int i = 0; i < end && sequences.priority[waiting[i]] == sequences.priority[head]; i++) {
            int row = waiting[i];
            int hits = cachedTokens(row);
            if (hits > bestHits && !isBeingComputed(row, hits / blocks.blockSize())) {
                best = i;
                bestHits = hits;
            }
        }
        for (int i = 0; i < best; i++) {
            sequences.passedOver[waiting[i]]++;
        }
        return best;
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
    private boolean admit(int index) {
        int row = waiting[index];
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
        waitingCount = removeFrom(waiting, waitingCount, row);
        running[runningCount++] = row;
        addToStep(row, count);
        if (sequences.firstScheduled[row] == 0) {
            sequences.firstScheduled[row] = clock.getAsLong();
            sequences.cached[row] = hits;
            counters.add(Counters.PREFIX_QUERIES, length);
            counters.add(Counters.PREFIX_HITS, hits);
        }
        return true;
    }

    private static int removeFrom(int[] list, int count, int row) {
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
