package dev.apus.scheduler;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLongArray;

/** The engine's counters and gauges: written by its thread without a fence, read by anybody. */
final class Counters {
    static final int RUNNING = 0;
    static final int FREE_BLOCKS = 1;
    static final int PREFIX_QUERIES = 2;
    static final int PREFIX_HITS = 3;
    static final int PREEMPTIONS = 4;
    private static final int PROMPT_COMPUTED = 5;
    static final int GENERATION_TOKENS = 6;
    static final int STEPS = 7;
    static final int CORRUPTED = 8;
    static final int STEP_TOKENS_SUM = 9;
    private static final int PROMPT_CACHED = 10;
    private static final int STEP_TOKENS = 11;
    private static final int BUCKETS = EngineStats.STEP_TOKEN_BOUNDS.size() + 1;

    private final AtomicLongArray values = new AtomicLongArray(STEP_TOKENS + BUCKETS);
    private final int[] bounds =
            EngineStats.STEP_TOKEN_BOUNDS.stream().mapToInt(Integer::intValue).toArray();

    void set(int counter, long value) {
        values.setOpaque(counter, value);
    }

    void add(int counter, long value) {
        values.setOpaque(counter, values.getPlain(counter) + value);
    }

    /** A prompt is done. Both parts are counted here, so that each only grows and their sum is the whole. */
    void countPrompt(int tokens, int cached) {
        add(PROMPT_COMPUTED, tokens - cached);
        add(PROMPT_CACHED, cached);
    }

    void countStep(int tokens) {
        int bucket = 0;
        while (bucket < bounds.length && tokens > bounds[bucket]) {
            bucket++;
        }
        add(STEP_TOKENS + bucket, 1);
        add(STEP_TOKENS_SUM, tokens);
        add(STEPS, 1);
    }

    int running() {
        return (int) values.getOpaque(RUNNING);
    }

    EngineStats stats(int waiting, int totalBlocks, int blockSize, boolean alive) {
        List<Long> stepTokens = new ArrayList<>(BUCKETS);
        for (int i = 0; i < BUCKETS; i++) {
            stepTokens.add(values.getOpaque(STEP_TOKENS + i));
        }
        return new EngineStats(
                (int) values.getOpaque(RUNNING),
                waiting,
                totalBlocks,
                (int) values.getOpaque(FREE_BLOCKS),
                blockSize,
                values.getOpaque(PREFIX_QUERIES),
                values.getOpaque(PREFIX_HITS),
                values.getOpaque(PREEMPTIONS),
                values.getOpaque(PROMPT_COMPUTED),
                values.getOpaque(PROMPT_CACHED),
                values.getOpaque(GENERATION_TOKENS),
                values.getOpaque(STEPS),
                values.getOpaque(CORRUPTED),
                stepTokens,
                values.getOpaque(STEP_TOKENS_SUM),
                alive);
    }
}
