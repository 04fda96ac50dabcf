package dev.apus.scheduler;

import dev.apus.kernels.DType;
import dev.apus.kernels.KvLayout;
import dev.apus.models.Checkpoint;
import dev.apus.models.Decoder;
import java.util.Locale;

/**
 * What a model takes of a device's memory, computed before anything is loaded.
 *
 * @param weightBytes weights in the backend's layout
 * @param workspaceBytes activations and logits of the largest step
 * @param kv layout of the KV cache
 * @param kvBlocks its blocks
 * @param modelLength most tokens of prompt plus output of one request
 * @param freeBytes memory that was free when the plan was made
 */
public record MemoryPlan(
        long weightBytes, long workspaceBytes, KvLayout kv, int kvBlocks, int modelLength, long freeBytes) {
    /**
     * Plans a model on the CPU.
     *
     * @param freeBytes memory that may still be allocated
     * @throws IllegalArgumentException if the model, or one block of KV cache beside it, does not fit
     */
    public static MemoryPlan of(Checkpoint checkpoint, EngineOptions options, long freeBytes) {
        if (options.maxModelLen() > checkpoint.config().maxPositions()) {
            throw new IllegalArgumentException("max_model_len is " + options.maxModelLen() + ", must be at most "
                    + checkpoint.config().maxPositions() + ", the positions that " + checkpoint.name() + " has");
        }
        long weights = Decoder.weightBytes(checkpoint.config(), checkpoint.weights());
        long workspace = Decoder.workspaceBytes(
                checkpoint.config(), DType.F32, options.maxNumBatchedTokens(), options.maxLogitRows());
        long left = freeBytes - weights - workspace;
        if (left <= 0) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "%s needs %s for weights and %s for activations, but only %s are free; use a smaller or more"
                            + " strongly quantised model, or lower --max-num-batched-tokens",
                    checkpoint.name(),
                    mebibytes(weights),
                    mebibytes(workspace),
                    mebibytes(freeBytes)));
        }
        int modelLength = checkpoint.config().maxPositions();
        KvLayout kv = Decoder.kvLayout(checkpoint.config(), EngineOptions.BLOCK_SIZE, DType.F32);
        int blocks = KvSizing.blocks(options, kv, modelLength, left);
        if (blocks * kv.bytesPerBlock() > left) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "%d KV blocks take %s, but only %s are left beside weights and activations; lower"
                            + " --num-gpu-blocks-override or --kv-cache-memory-bytes",
                    blocks,
                    mebibytes(blocks * kv.bytesPerBlock()),
                    mebibytes(left)));
        }
        int wanted = options.maxModelLen() > 0 ? options.maxModelLen() : modelLength;
        int length = (int) Math.min(wanted, (long) blocks * EngineOptions.BLOCK_SIZE);
        return new MemoryPlan(weights, workspace, kv, blocks, length, freeBytes);
    }

    /** Bytes of the KV cache. */
    public long kvBytes() {
        return kvBlocks * kv.bytesPerBlock();
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
                "weights %s, activations %s, KV cache %s (%d blocks, %d tokens), context %d; %s of memory were free",
                mebibytes(weightBytes),
                mebibytes(workspaceBytes),
                mebibytes(kvBytes()),
                kvBlocks,
                kvTokens(),
                modelLength,
                mebibytes(freeBytes));
    }

    private static String mebibytes(long bytes) {
        return String.format(Locale.ROOT, "%,d MiB", (bytes + (1 << 19)) >> 20);
    }
}
