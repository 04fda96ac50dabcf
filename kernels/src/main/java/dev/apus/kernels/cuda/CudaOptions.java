package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;

/**
 * What a CUDA backend is made for.
 *
 * @param ordinal index of the device among those that CUDA shows
 * @param activations element type of activations and weights: BF16, or F32 for tests and small models
 * @param maxTokens most tokens of a step
 * @param maxSequences most sequences of a step
 * @param maxLogitRows most rows of logits of a step
 * @param maxLength most tokens of a sequence
 * @param graphs whether the launches of steps that only decode are recorded and replayed
 * @param memoryShare share of the device's memory that may be used, (0, 1]
 */
public record CudaOptions(
        int ordinal,
        DType activations,
        int maxTokens,
        int maxSequences,
        int maxLogitRows,
        int maxLength,
        boolean graphs,
        double memoryShare) {
    public CudaOptions {
        if (activations != DType.BF16 && activations != DType.F32) {
            throw new IllegalArgumentException("activations of type " + activations + "; a CUDA backend has BF16 or F32");
        }
        if (maxTokens < 1 || maxSequences < 1 || maxLogitRows < 1 || maxLength < 1) {
            throw new IllegalArgumentException("a step of " + maxTokens + " tokens, " + maxSequences + " sequences, "
                    + maxLogitRows + " logit rows, length " + maxLength + "; all must be at least 1");
        }
        if (!(memoryShare > 0 && memoryShare <= 1)) {
            throw new IllegalArgumentException("memory share is " + memoryShare + ", must be in (0, 1]");
        }
    }
}
