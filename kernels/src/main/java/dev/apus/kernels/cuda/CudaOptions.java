package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;

/**
 * What a CUDA backend is made for.
 *
 * @param ordinal index of the device among those that CUDA shows
 * @param activations element type of activations and weights: BF16, or F32 for tests and small models
 * @param kv element type of cached keys and values: BF16 or F8_E4M3 with BF16 activations, F32 with F32 ones
 * @param graphSequences decode steps of up to so many sequences are recorded in CUDA graphs and replayed; 0 records none
 */
public record CudaOptions(int ordinal, DType activations, DType kv, int graphSequences) {
    public CudaOptions {
        if (activations != DType.BF16 && activations != DType.F32) {
            throw new IllegalArgumentException(
                    "activations of type " + activations + "; a CUDA backend has BF16 or F32");
        }
        if (graphSequences < 0) {
            throw new IllegalArgumentException("graphs of up to " + graphSequences + " sequences; 0 or more");
        }
    }
}
