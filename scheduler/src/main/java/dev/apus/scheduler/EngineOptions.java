package dev.apus.scheduler;

/**
 * Limits of an engine, named as in vLLM.
 *
 * @param maxModelLen most tokens of prompt plus output; 0 means what the model allows
 * @param maxNumSeqs most sequences in one step
 * @param maxNumBatchedTokens most tokens in one step: longer prompts are computed in chunks
 * @param longPrefillTokenThreshold most tokens of one prompt in one step; 0 means the whole budget
 * @param maxWaiting most requests in flight beyond {@code maxNumSeqs}; more are refused with {@link QueueFullException}
 * @param enablePrefixCaching share full blocks between requests
 * @param kvCacheMemoryBytes size of the KV cache; 0 means a share of the free memory
 * @param numKvBlocks blocks of the KV cache, overriding the bytes; 0 means as many as fit
 * @param seed base of the seeds of requests that come without one
 */
public record EngineOptions(
        int maxModelLen,
        int maxNumSeqs,
        int maxNumBatchedTokens,
        int longPrefillTokenThreshold,
        int maxWaiting,
        boolean enablePrefixCaching,
        long kvCacheMemoryBytes,
        int numKvBlocks,
        long seed) {
    /** Tokens of a KV block. */
    public static final int BLOCK_SIZE = 16;
    /** Logit rows of a step beyond one per sequence, for prompt log-probabilities. */
    private static final int PROMPT_LOGIT_ROWS = 64;

    public EngineOptions {
        require(maxModelLen >= 0, "max_model_len", maxModelLen, "0 (the model's) or more");
        require(maxNumSeqs >= 1, "max_num_seqs", maxNumSeqs, "1 or more");
        require(
                maxNumBatchedTokens >= maxNumSeqs,
                "max_num_batched_tokens",
                maxNumBatchedTokens,
                "max_num_seqs (" + maxNumSeqs + ") or more");
        require(
                longPrefillTokenThreshold >= 0,
                "long_prefill_token_threshold",
                longPrefillTokenThreshold,
                "0 (none) or more");
        require(maxWaiting >= 1, "max_waiting", maxWaiting, "1 or more");
        require(kvCacheMemoryBytes >= 0, "kv_cache_memory_bytes", kvCacheMemoryBytes, "0 (automatic) or more");
        require(numKvBlocks >= 0, "num_kv_blocks", numKvBlocks, "0 (automatic) or more");
    }

    /**
     * For a CPU: 64 sequences; 512 tokens a step, which fills the GEMM's panels and keeps a step near a second on two slow cores; 1024
     * requests waiting.
     */
    public static EngineOptions defaults() {
        return new EngineOptions(0, 64, 512, 0, 1024, true, 0, 0, 0);
    }

    /** Most rows of logits in one step: one per sequence and some for prompt log-probabilities. */
    public int maxLogitRows() {
        return maxNumSeqs + PROMPT_LOGIT_ROWS;
    }

    public EngineOptions withMaxModelLen(int value) {
        return new EngineOptions(
                value,
                maxNumSeqs,
                maxNumBatchedTokens,
                longPrefillTokenThreshold,
                maxWaiting,
                enablePrefixCaching,
                kvCacheMemoryBytes,
                numKvBlocks,
                seed);
    }

    public EngineOptions withMaxNumSeqs(int value) {
        return new EngineOptions(
                maxModelLen,
                value,
                maxNumBatchedTokens,
                longPrefillTokenThreshold,
                maxWaiting,
                enablePrefixCaching,
                kvCacheMemoryBytes,
                numKvBlocks,
                seed);
    }

    public EngineOptions withMaxNumBatchedTokens(int value) {
        return new EngineOptions(
                maxModelLen,
                maxNumSeqs,
                value,
                longPrefillTokenThreshold,
                maxWaiting,
                enablePrefixCaching,
                kvCacheMemoryBytes,
                numKvBlocks,
                seed);
    }

    public EngineOptions withMaxWaiting(int value) {
        return new EngineOptions(
                maxModelLen,
                maxNumSeqs,
                maxNumBatchedTokens,
                longPrefillTokenThreshold,
                value,
                enablePrefixCaching,
                kvCacheMemoryBytes,
                numKvBlocks,
                seed);
    }

    public EngineOptions withPrefixCaching(boolean value) {
        return new EngineOptions(
                maxModelLen,
                maxNumSeqs,
                maxNumBatchedTokens,
                longPrefillTokenThreshold,
                maxWaiting,
                value,
                kvCacheMemoryBytes,
                numKvBlocks,
                seed);
    }

    public EngineOptions withNumKvBlocks(int value) {
        return new EngineOptions(
                maxModelLen,
                maxNumSeqs,
                maxNumBatchedTokens,
                longPrefillTokenThreshold,
                maxWaiting,
                enablePrefixCaching,
                kvCacheMemoryBytes,
                value,
                seed);
    }

    private static void require(boolean holds, String name, Object value, String allowed) {
        if (!holds) {
            throw new IllegalArgumentException(name + " is " + value + ", must be " + allowed);
        }
    }
}
