package dev.apus.server.cli;

import dev.apus.kernels.Backend;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import dev.apus.scheduler.EngineOptions;
import picocli.CommandLine.Option;

/** How the engine runs; names are vLLM's where vLLM has the option. */
final class EngineArgs {
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
            defaultValue = "64",
            description = "Most sequences in one step. Default: ${DEFAULT-VALUE}")
    private int maxNumSeqs;

    @Option(
            names = "--max-num-batched-tokens",
            paramLabel = "N",
            defaultValue = "512",
            description = "Most tokens in one step; longer prompts are computed in chunks. Default: ${DEFAULT-VALUE}")
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
            description = "Size of the KV cache, as 1G or 512M. Default: a quarter of the free memory, at most 1 GiB")
    private long kvCacheMemoryBytes;

    @Option(
            names = "--num-gpu-blocks-override",
            paramLabel = "N",
            defaultValue = "0",
            description = "Blocks of the KV cache, of 16 tokens each. Default: as many as its size holds")
    private int numBlocks;

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
        return new EngineOptions(
                maxModelLen,
                maxNumSeqs,
                Math.max(maxNumBatchedTokens, maxNumSeqs),
                longPrefillTokenThreshold,
                maxWaiting,
                prefixCaching,
                kvCacheMemoryBytes,
                numBlocks,
                seed);
    }

    /** Opens the device; the caller closes it. */
    Backend openBackend() {
        if (backend == BackendChoice.cuda) {
            throw new UserException("--backend cuda: this version of Apus has no CUDA backend yet; use cpu or auto");
        }
        return CpuBackend.create(new CpuOptions(kernels, threads));
    }
}
