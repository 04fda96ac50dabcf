package dev.apus.scheduler;

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
 * @param promptTokens prompt tokens computed or found
 * @param generationTokens tokens sampled
 * @param steps steps run
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
        long promptTokens,
        long generationTokens,
        long steps,
        boolean alive) {}
