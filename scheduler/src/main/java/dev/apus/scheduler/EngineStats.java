package dev.apus.scheduler;

import java.util.Collections;
import java.util.List;

/**
 * Counters and gauges of an engine at one moment; the counters only grow.
 *
 * @param running requests being computed
 * @param waiting requests queued
 * @param totalBlocks blocks of the KV cache
 * @param freeBlocks blocks that no request holds (cached ones included)
 * @param blockSize tokens of a block
 * @param prefixCacheQueries prompt tokens looked up in the prefix cache
 * @param prefixCacheHits prompt tokens found there
 * @param preemptions requests preempted
 * @param promptTokensComputed tokens computed of prompts that are done
 * @param promptTokensCached tokens of the same prompts that were found in the prefix cache
 * @param generationTokens tokens sampled
 * @param steps steps run
 * @param corruptedRequests requests failed because their logits held a NaN
 * @param stepTokens tokens per step: the number of steps with at most {@link #STEP_TOKEN_BOUNDS}{@code [i]} tokens and more than the
 *     bound before, then those above the last bound (vLLM's {@code iteration_tokens_total}; its sum is {@link #stepTokensSum})
 * @param stepTokensSum tokens of all steps
 * @param alive false once the engine thread has ended by a fault
 */
public record EngineStats(
        int running,
        int waiting,
        int totalBlocks,
        int freeBlocks,
        int blockSize,
        long prefixCacheQueries,
        long prefixCacheHits,
        long preemptions,
        long promptTokensComputed,
        long promptTokensCached,
        long generationTokens,
        long steps,
        long corruptedRequests,
        List<Long> stepTokens,
        long stepTokensSum,
        boolean alive) {
    /** Upper bounds of the {@link #stepTokens} buckets, vLLM's. */
    public static final List<Integer> STEP_TOKEN_BOUNDS =
            List.of(1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384);

    public EngineStats {
        stepTokens = List.copyOf(stepTokens);
    }

    /** Stats of an engine that counts no steps by size, all of whose prompts are done. */
    public EngineStats(
            int running,
            int waiting,
            int totalBlocks,
            int freeBlocks,
            int blockSize,
            long prefixCacheQueries,
            long prefixCacheHits,
            long preemptions,
            long promptTokens,
            long generationTokens,
            long steps,
            boolean alive) {
        this(
                running,
                waiting,
                totalBlocks,
                freeBlocks,
                blockSize,
                prefixCacheQueries,
                prefixCacheHits,
                preemptions,
                promptTokens - prefixCacheHits,
                prefixCacheHits,
                generationTokens,
                steps,
                0,
                Collections.nCopies(STEP_TOKEN_BOUNDS.size() + 1, 0L),
                0,
                alive);
    }

    /** Tokens of the prompts that are done. */
    public long promptTokens() {
        return promptTokensComputed + promptTokensCached;
    }

    /** Share of the KV cache in use, 0 to 1. */
    public double kvCacheUsage() {
        return totalBlocks == 0 ? 0 : (totalBlocks - freeBlocks) / (double) totalBlocks;
    }
}
