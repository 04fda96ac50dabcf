package dev.apus.scheduler;

import dev.apus.kernels.Backend;
import dev.apus.kernels.KvLayout;
import dev.apus.models.Checkpoint;
import dev.apus.models.Decoder;
import dev.apus.models.DecoderConfig;
import java.util.Locale;

/**
 * What a model takes of a device's memory, computed before anything is loaded.
 *
 * @param weightBytes weights in the backend's layout
 * @param workspaceBytes activations and logits of the largest step, rotary tables, and what the backend itself needs to run steps
 * @param kv layout of the KV cache
 * @param kvBlockBytes what a block takes of the device's memory, padding included
 * @param kvBlocks its blocks
 * @param modelLength most tokens of prompt plus output of one request
 * @param freeBytes memory that could be used when the plan was made
 */
public record MemoryPlan(
        long weightBytes,
        long workspaceBytes,
        KvLayout kv,
        long kvBlockBytes,
        int kvBlocks,
        int modelLength,
        long freeBytes) {
    /**
     * Plans a model on a backend that holds none yet.
     *
     * @throws IllegalArgumentException if the model, or one block of KV cache beside it, does not fit, or the options ask for types that
     *     the backend does not have
     */
    public static MemoryPlan of(Checkpoint checkpoint, EngineOptions options, Backend backend) {
        EngineOptions limits = options.forBackend(backend);
        DecoderConfig config = checkpoint.config();
        if (limits.maxModelLen() > config.maxPositions()) {
            throw new IllegalArgumentException("max_model_len is " + limits.maxModelLen() + ", must be at most "
                    + config.maxPositions() + ", the positions that " + checkpoint.name() + " has");
        }
        boolean dedicated = backend.dedicatedMemory() > 0;
        long usable = usableBytes(limits, backend);
        long weights = Decoder.weightSize(config, checkpoint.weights(), backend).bytes();
        int modelLength = config.maxPositions();
        int wanted = limits.maxModelLen() > 0 ? Math.min(limits.maxModelLen(), modelLength) : modelLength;
        long workspace = Decoder.workspaceBytes(
                        config, backend.activationType(), limits.maxNumBatchedTokens(), limits.maxLogitRows())
                + Decoder.ropeBytes(config, wanted)
                + backend.stepBytes(Decoder.stepSizes(
                        config, limits.maxNumBatchedTokens(), limits.maxNumSeqs(), limits.maxLogitRows(), wanted));
        long left = usable - weights - workspace;
        if (left <= 0) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "%s needs %s for weights and %s for activations, but only %s may be used; use a smaller or more"
                            + " strongly quantised model, or lower --max-num-batched-tokens"
                            + (dedicated ? ", or raise --gpu-memory-utilization" : ""),
                    checkpoint.name(),
                    mebibytes(weights),
                    mebibytes(workspace),
                    mebibytes(usable)));
        }
        KvLayout kv = Decoder.kvLayout(config, EngineOptions.BLOCK_SIZE, limits.kvType(backend));
        long blockBytes = backend.kvBlockBytes(kv);
        int blocks = KvSizing.blocks(limits, blockBytes, modelLength, left, dedicated);
        if (blocks * blockBytes > left) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "%d KV blocks take %s, but only %s are left beside weights and activations; lower"
                            + " --num-gpu-blocks-override or --kv-cache-memory-bytes",
                    blocks,
                    mebibytes(blocks * blockBytes),
                    mebibytes(left)));
        }
        long capacity = (long) blocks * EngineOptions.BLOCK_SIZE;
        if (limits.maxModelLen() > capacity) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "max_model_len is %d, but the KV cache holds %d tokens (%s); lower it, or give the cache more by "
                            + (dedicated ? "--gpu-memory-utilization" : "--kv-cache-memory-bytes"),
                    limits.maxModelLen(),
                    capacity,
                    mebibytes(blocks * blockBytes)));
        }
        int length = (int) Math.min(wanted, capacity);
        return new MemoryPlan(weights, workspace, kv, blockBytes, blocks, length, usable);
    }

    /** What is free of the host's memory; of a device's own, what is left of its share by what is in use there already. */
    private static long usableBytes(EngineOptions options, Backend backend) {
        long all = backend.dedicatedMemory();
        long free = backend.freeMemory();
        return all > 0 ? (long) (all * options.gpuMemoryUtilization()) - (all - free) : free;
    }

    /** Bytes of the KV cache. */
    public long kvBytes() {
        return kvBlocks * kvBlockBytes;
    }

    /** Tokens that the KV cache holds. */
    public long kvTokens() {
        return (long) kvBlocks * kv.blockSize();
    }

    /** All of it. */
    public long totalBytes() {
        return weightBytes + workspaceBytes + kvBytes();
    }

    /** One line for the log. */
    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "weights %s, activations %s, KV cache %s (%d blocks, %d tokens), KV type %s, context %d; %s of memory may be used",
                mebibytes(weightBytes),
                mebibytes(workspaceBytes),
                mebibytes(kvBytes()),
                kvBlocks,
                kvTokens(),
                kv.dtype(),
                modelLength,
                mebibytes(freeBytes));
    }

    private static String mebibytes(long bytes) {
        return String.format(Locale.ROOT, "%,d MiB", (bytes + (1 << 19)) >> 20);
    }
}
