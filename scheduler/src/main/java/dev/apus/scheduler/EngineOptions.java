package dev.apus.scheduler;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Limits of an engine and choices for its device, named as in vLLM. Made by {@link #builder}.
 *
 * @param maxModelLen most tokens of prompt plus output; 0 means what the model allows
 * @param maxNumSeqs most sequences in one step; 0 means the backend's usual number, see {@link #forBackend}
 * @param maxNumBatchedTokens most tokens in one step: longer prompts are computed in chunks; 0 means the backend's usual number
 * @param longPrefillTokenThreshold most tokens of one prompt in one step; 0 means the whole budget
 * @param maxWaiting most requests in flight beyond {@code maxNumSeqs}; more are refused with {@link QueueFullException}
 * @param maxNumQueuedReqs most requests in flight, running ones included; 0 means that {@code maxWaiting} alone counts
 * @param maxNumQueuedTokens most prompt tokens that are to be computed; a request that finds none is taken whatever its length; 0 means no limit
 * @param enablePrefixCaching share full blocks between requests
 * @param kvCacheMemoryBytes size of the KV cache; 0 means a share of the free memory, or all that is left of a device's own memory
 * @param numKvBlocks blocks of the KV cache, overriding the bytes; 0 means as many as fit
 * @param seed base of the seeds of requests that come without one
 * @param dtype type of the activations
 * @param kvCacheDtype type of the keys and values in the cache
 * @param gpuMemoryUtilization share of a device's own memory that may be in use once the model is loaded, above 0, at most 1; memory that
 *     the device shares with the host is not counted by it
 * @param enforceEager launch kernels one by one instead of replaying recorded graphs, where the backend records any
 * @param loadFormat where the weights come from
 * @param kvCacheMetricsSample share of the KV blocks whose ages are measured, 0 (none are) to 1
 * @param serving whether clients wait for single tokens: a budget of tokens left to the backend is then small enough that a prompt's
 *     chunk does not hold the others up
 */
public record EngineOptions(
        int maxModelLen,
        int maxNumSeqs,
        int maxNumBatchedTokens,
        int longPrefillTokenThreshold,
        int maxWaiting,
        int maxNumQueuedReqs,
        long maxNumQueuedTokens,
        boolean enablePrefixCaching,
        long kvCacheMemoryBytes,
        int numKvBlocks,
        long seed,
        ComputeType dtype,
        KvType kvCacheDtype,
        double gpuMemoryUtilization,
        boolean enforceEager,
        LoadFormat loadFormat,
        double kvCacheMetricsSample,
        boolean serving) {
    /** Tokens of a KV block. */
    public static final int BLOCK_SIZE = 16;
    /** Logit rows of a step beyond one per sequence, for prompt log-probabilities. */
    private static final int PROMPT_LOGIT_ROWS = 64;
    /** On a CPU 512 tokens fill the GEMM's panels and keep a step near a second on two slow cores. */
    private static final int CPU_SEQUENCES = 64;

    private static final int CPU_TOKENS = 512;
    /** As vLLM on a large GPU: a prefill of 8192 tokens runs near the tensor cores' peak. */
    public static final int CUDA_SEQUENCES = 256;

    private static final int CUDA_TOKENS = 8192;
    /**
     * Of 128 clients with prompts of 1024 tokens, an 8B model on an H200: 22.3 ms a token and 3,706 tokens/s, where 8192 gave 29.8 and 3,676
     * with steps of 200 ms between.
     */
    private static final int CUDA_SERVING_TOKENS = 768;

    /** Type of the activations. */
    public enum ComputeType {
        /** The backend's own. */
        AUTO,
        BFLOAT16,
        FLOAT32
    }

    /** Type of the keys and values in the cache. */
    public enum KvType {
        /** The backend's usual one. */
        AUTO,
        BFLOAT16,
        /** E4M3. */
        FP8,
        FLOAT32
    }

    /** Where the weights come from. */
    public enum LoadFormat {
        /** The checkpoint's files. */
        AUTO,
        /** Random ones in the shapes of a folder's config.json, see {@link dev.apus.models.DummyWeights}. */
        DUMMY
    }

    public EngineOptions {
        require(maxModelLen >= 0, "max_model_len", maxModelLen, "0 (the model's) or more");
        require(maxNumSeqs >= 0, "max_num_seqs", maxNumSeqs, "0 (the backend's) or more");
        require(
                maxNumBatchedTokens == 0 || maxNumBatchedTokens >= maxNumSeqs,
                "max_num_batched_tokens",
                maxNumBatchedTokens,
                "0 (the backend's) or max_num_seqs (" + maxNumSeqs + ") or more");
        require(
                longPrefillTokenThreshold >= 0,
                "long_prefill_token_threshold",
                longPrefillTokenThreshold,
                "0 (none) or more");
        require(maxWaiting >= 1, "max_waiting", maxWaiting, "1 or more");
        require(maxNumQueuedReqs >= 0, "max_num_queued_reqs", maxNumQueuedReqs, "0 (no limit of its own) or more");
        require(maxNumQueuedTokens >= 0, "max_num_queued_tokens", maxNumQueuedTokens, "0 (no limit) or more");
        require(kvCacheMemoryBytes >= 0, "kv_cache_memory_bytes", kvCacheMemoryBytes, "0 (automatic) or more");
        require(numKvBlocks >= 0, "num_gpu_blocks_override", numKvBlocks, "0 (automatic) or more");
        require(
                gpuMemoryUtilization > 0 && gpuMemoryUtilization <= 1,
                "gpu_memory_utilization",
                gpuMemoryUtilization,
                "above 0 and at most 1");
        require(
                kvCacheMetricsSample >= 0 && kvCacheMetricsSample <= 1,
                "kv_cache_metrics_sample",
                kvCacheMetricsSample,
                "0 (none) to 1");
    }

    /** All as the backend and the model have it. */
    public static EngineOptions defaults() {
        return builder().build();
    }

    /** Builds options from the defaults. */
    public static EngineOptionsBuilder builder() {
        return new EngineOptionsBuilder();
    }

    /**
     * These options with the limits that were left to the backend filled in: 64 sequences and 512 tokens on a CPU, 256 and 8192 on CUDA,
     * or 768 if serving.
     *
     * @throws IllegalArgumentException if they ask for a type that the backend does not have
     */
    public EngineOptions forBackend(Backend backend) {
        DType computed = computeType(dtype);
        if (computed != null && computed != backend.activationType()) {
            throw new IllegalArgumentException("--dtype " + name(dtype) + ": this " + backend.name()
                    + " backend computes in " + name(backend.activationType()) + "; use auto or that");
        }
        kvType(backend);
        return withLimitsOf(backend.name());
    }

    /** The limits that were left to the backend, filled in for the one of this name. */
    public EngineOptions withLimitsOf(String backend) {
        boolean cuda = backend.equals("cuda");
        int sequences = maxNumSeqs;
        if (sequences == 0) {
            sequences = cuda ? CUDA_SEQUENCES : CPU_SEQUENCES;
            sequences = maxNumBatchedTokens == 0 ? sequences : Math.min(sequences, maxNumBatchedTokens);
        }
        int usual = !cuda ? CPU_TOKENS : serving ? CUDA_SERVING_TOKENS : CUDA_TOKENS;
        int tokens = maxNumBatchedTokens == 0 ? Math.max(sequences, usual) : maxNumBatchedTokens;
        return new EngineOptionsBuilder(this)
                .maxNumSeqs(sequences)
                .maxNumBatchedTokens(tokens)
                .build();
    }

    /**
     * The type of the cache on a backend.
     *
     * @throws IllegalArgumentException if the backend cannot store the one asked for
     */
    public DType kvType(Backend backend) {
        List<DType> able = backend.kvTypes();
        DType wanted =
                switch (kvCacheDtype) {
                    case AUTO -> able.getFirst();
                    case BFLOAT16 -> DType.BF16;
                    case FP8 -> DType.F8_E4M3;
                    case FLOAT32 -> DType.F32;
                };
        if (!able.contains(wanted)) {
            throw new IllegalArgumentException("--kv-cache-dtype " + name(kvCacheDtype) + ": the " + backend.name()
                    + " backend stores keys and values as "
                    + able.stream().map(EngineOptions::name).toList()
                    + "; use auto or one of these");
        }
        return wanted;
    }

    private static @Nullable DType computeType(ComputeType type) {
        return switch (type) {
            case AUTO -> null;
            case BFLOAT16 -> DType.BF16;
            case FLOAT32 -> DType.F32;
        };
    }

    private static String name(Enum<?> option) {
        return option.name().toLowerCase(Locale.ROOT);
    }

    /** A type by the name that options have for it. */
    private static String name(DType type) {
        return switch (type) {
            case BF16 -> "bfloat16";
            case F32 -> "float32";
            case F8_E4M3 -> "fp8";
            default -> type.toString();
        };
    }

    /** Most rows of logits in one step: one per sequence and some for prompt log-probabilities. */
    public int maxLogitRows() {
        return maxNumSeqs + PROMPT_LOGIT_ROWS;
    }

    /** The settings of the KV cache under vLLM's names, values as Python writes them; sizes that the machine decides are not among them. */
    Map<String, String> cacheConfig() {
        Map<String, String> config = new TreeMap<>();
        config.put("cache_dtype", name(kvCacheDtype));
        config.put("enable_prefix_caching", enablePrefixCaching ? "True" : "False");
        config.put("gpu_memory_utilization", Double.toString(gpuMemoryUtilization));
        config.put("kv_cache_memory_bytes", kvCacheMemoryBytes == 0 ? "None" : Long.toString(kvCacheMemoryBytes));
        config.put("num_gpu_blocks_override", numKvBlocks == 0 ? "None" : Integer.toString(numKvBlocks));
        return config;
    }

    private static void require(boolean holds, String name, Object value, String allowed) {
        if (!holds) {
            throw new IllegalArgumentException(name + " is " + value + ", must be " + allowed);
        }
    }
}
