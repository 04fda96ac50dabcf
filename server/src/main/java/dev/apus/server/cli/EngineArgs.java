package dev.apus.server.cli;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import dev.apus.kernels.cuda.CudaBackend;
import dev.apus.kernels.cuda.CudaOptions;
import dev.apus.kernels.cuda.CudaSupport;
import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.EngineOptionsBuilder;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Option;

/** How the engine runs; names are vLLM's where vLLM has the option. */
final class EngineArgs {
    private static final Logger LOG = LoggerFactory.getLogger(EngineArgs.class);

    enum BackendChoice {
        auto,
        cpu,
        cuda
    }

    @Option(
            names = "--max-model-len",
            paramLabel = "N",
            defaultValue = "0",
            description = "Most tokens of prompt plus output. Default: what the model allows and the KV cache holds")
    private int maxModelLen;

    @Option(
            names = "--max-num-seqs",
            paramLabel = "N",
            defaultValue = "0",
            description = "Most sequences in one step. Default: 64 on a CPU, 256 on CUDA")
    private int maxNumSeqs;

    @Option(
            names = "--max-num-batched-tokens",
            paramLabel = "N",
            defaultValue = "0",
            description = "Most tokens in one step; longer prompts are computed in chunks. Default: 512 on a CPU,"
                    + " 8192 on CUDA, 768 there for serve")
    private int maxNumBatchedTokens;

    @Option(
            names = "--long-prefill-token-threshold",
            paramLabel = "N",
            defaultValue = "0",
            description = "Most tokens of one prompt in one step. Default: the whole budget")
    private int longPrefillTokenThreshold;

    @Option(
            names = "--max-waiting",
            paramLabel = "N",
            defaultValue = "1024",
            description = "Most requests that wait; more are answered 429. Default: ${DEFAULT-VALUE}")
    private int maxWaiting;

    @Option(
            names = "--max-num-queued-reqs",
            paramLabel = "N",
            defaultValue = "0",
            description =
                    "Most requests that wait or run; more are answered 429. Default: --max-num-seqs plus --max-waiting")
    private int maxNumQueuedReqs;

    @Option(
            names = "--max-num-queued-tokens",
            paramLabel = "N",
            defaultValue = "0",
            description = "Most prompt tokens that are to be computed; more are answered 429. Default: no limit")
    private long maxNumQueuedTokens;

    @Option(
            names = "--enable-prefix-caching",
            negatable = true,
            defaultValue = "true",
            fallbackValue = "true",
            description = "Share the KV blocks of equal prompt beginnings. Default: ${DEFAULT-VALUE}")
    private boolean prefixCaching;

    @Option(
            names = "--kv-cache-memory-bytes",
            paramLabel = "BYTES",
            defaultValue = "0",
            converter = ByteSize.class,
            description =
                    "Size of the KV cache, as 1G or 512M. Default: on a CPU a quarter of the free memory, at most 1 GiB; on CUDA"
                            + " what --gpu-memory-utilization leaves")
    private long kvCacheMemoryBytes;

    @Option(
            names = "--num-gpu-blocks-override",
            paramLabel = "N",
            defaultValue = "0",
            description = "Blocks of the KV cache, of 16 tokens each. Default: as many as its size holds")
    private int numBlocks;

    @Option(
            names = "--dtype",
            paramLabel = "TYPE",
            defaultValue = "auto",
            description = "Type of the activations: auto, bfloat16 (CUDA), float32. Default: ${DEFAULT-VALUE}")
    private EngineOptions.ComputeType dtype = EngineOptions.ComputeType.AUTO;

    @Option(
            names = "--kv-cache-dtype",
            paramLabel = "TYPE",
            defaultValue = "auto",
            description = "Type of the KV cache: auto, bfloat16, fp8 (both CUDA), float32. Default: ${DEFAULT-VALUE}")
    private EngineOptions.KvType kvCacheDtype = EngineOptions.KvType.AUTO;

    @Option(
            names = "--gpu-memory-utilization",
            paramLabel = "SHARE",
            description = "Share of the GPU's memory that may be in use once the model is loaded (CUDA). Default: 0.9")
    private @Nullable Double gpuMemoryUtilization;

    @Option(
            names = "--enforce-eager",
            description = "Launch kernels one by one instead of as recorded CUDA graphs. A CPU never records any.")
    private boolean enforceEager;

    @Option(
            names = "--load-format",
            paramLabel = "FORMAT",
            defaultValue = "auto",
            description = "auto, or dummy: random weights in the shapes of a folder's config.json, for measuring."
                    + " Default: ${DEFAULT-VALUE}")
    private EngineOptions.LoadFormat loadFormat = EngineOptions.LoadFormat.AUTO;

    @Option(
            names = "--kv-cache-metrics",
            description = "Measure how long blocks of the KV cache live and lie idle, for /metrics. Default: off")
    private boolean kvCacheMetrics;

    @Option(
            names = "--kv-cache-metrics-sample",
            paramLabel = "SHARE",
            defaultValue = "0.01",
            description = "Share of the blocks that --kv-cache-metrics measures, above 0, at most 1."
                    + " Default: ${DEFAULT-VALUE}")
    private double kvCacheMetricsSample;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "0",
            description = "Base of the seeds of requests that bring none. Default: ${DEFAULT-VALUE}")
    private long seed;

    @Option(
            names = "--backend",
            paramLabel = "NAME",
            defaultValue = "auto",
            description = "Device to run on: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}")
    private BackendChoice backend = BackendChoice.auto;

    @Option(
            names = "--kernels",
            paramLabel = "NAME",
            defaultValue = "auto",
            description = "CPU kernels: scalar, vector, auto. Default: ${DEFAULT-VALUE}")
    private CpuOptions.Provider kernels = CpuOptions.Provider.AUTO;

    @Option(
            names = "--threads",
            paramLabel = "N",
            defaultValue = "0",
            description = "Threads that compute. Default: one per processor")
    private int threads;

    /** @throws IllegalArgumentException if a value is out of range */
    EngineOptions options() {
        return builder().build();
    }

    /**
     * The same for an engine whose clients wait for single tokens.
     *
     * @throws IllegalArgumentException if a value is out of range
     */
    EngineOptions servingOptions() {
        return builder().serving(true).build();
    }

    private double sample() {
        if (!(kvCacheMetricsSample > 0 && kvCacheMetricsSample <= 1)) {
            throw new IllegalArgumentException(
                    "--kv-cache-metrics-sample is " + kvCacheMetricsSample + ", must be above 0 and at most 1");
        }
        return kvCacheMetricsSample;
    }

    private EngineOptionsBuilder builder() {
        EngineOptionsBuilder options = EngineOptions.builder()
                .maxModelLen(maxModelLen)
                .maxNumSeqs(maxNumSeqs)
                .maxNumBatchedTokens(maxNumBatchedTokens)
                .longPrefillTokenThreshold(longPrefillTokenThreshold)
                .maxWaiting(maxWaiting)
                .maxNumQueuedReqs(maxNumQueuedReqs)
                .maxNumQueuedTokens(maxNumQueuedTokens)
                .enablePrefixCaching(prefixCaching)
                .kvCacheMemoryBytes(kvCacheMemoryBytes)
                .numKvBlocks(numBlocks)
                .kvCacheMetricsSample(kvCacheMetrics ? sample() : 0)
                .seed(seed)
                .dtype(dtype)
                .kvCacheDtype(kvCacheDtype)
                .enforceEager(enforceEager)
                .loadFormat(loadFormat);
        return gpuMemoryUtilization == null ? options : options.gpuMemoryUtilization(gpuMemoryUtilization);
    }

    /**
     * Opens the device; the caller closes it.
     *
     * @throws UserException if CUDA is demanded and cannot be used, with what to do
     */
    Backend openBackend() {
        String obstacle = backend == BackendChoice.cpu ? "not asked for" : CudaSupport.obstacle();
        if (obstacle == null) {
            return CudaBackend.create(cudaOptions());
        }
        if (backend == BackendChoice.cuda) {
            throw new UserException("--backend cuda: " + obstacle);
        }
        if (backend == BackendChoice.auto && CudaSupport.hasDriver()) {
            LOG.warn("the GPU is not used, the model runs on the CPU: {}", obstacle);
        }
        if (gpuMemoryUtilization != null) {
            throw new UserException("--gpu-memory-utilization: the cpu backend shares the machine's memory with other"
                    + " programs; leave it out, or set --kv-cache-memory-bytes");
        }
        return CpuBackend.create(new CpuOptions(kernels, threads));
    }

    /**
     * Opens the device for an encoder, whose kernels only the CPU has.
     *
     * @throws UserException if CUDA is demanded
     */
    Backend openEncoderBackend() {
        if (backend == BackendChoice.cuda) {
            throw new UserException(
                    "--backend cuda: the model is an encoder, which runs on the cpu backend only; leave the"
                            + " option out");
        }
        return CpuBackend.create(new CpuOptions(kernels, threads));
    }

    CudaOptions cudaOptions() {
        DType activations = dtype == EngineOptions.ComputeType.FLOAT32 ? DType.F32 : DType.BF16;
        DType kv = kvCacheDtype == EngineOptions.KvType.FP8 ? DType.F8_E4M3 : activations;
        // A recorded step must not have more rows than there is room for.
        int sequences = options().withLimitsOf("cuda").maxNumSeqs();
        return new CudaOptions(0, activations, kv, enforceEager ? 0 : sequences);
    }
}
