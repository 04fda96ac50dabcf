package dev.apus.models;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import dev.apus.kernels.cuda.CudaBackend;
import dev.apus.kernels.cuda.CudaOptions;
import java.util.List;
import java.util.Set;

/** What golden cases run on: both CPU providers, or with {@code -Dapus.test.backend=cuda} a GPU in both of its types. */
enum Device {
    SCALAR,
    VECTOR,
    CUDA_F32,
    CUDA_BF16;

    /** The devices of this test run. */
    static List<Device> all() {
        String backend = System.getProperty("apus.test.backend", "cpu");
        return switch (backend) {
            case "cpu" -> List.of(SCALAR, VECTOR);
            case "cuda" -> List.of(CUDA_F32, CUDA_BF16);
            default -> throw new IllegalArgumentException("apus.test.backend is " + backend + ", must be cpu or cuda");
        };
    }

    /** Opens the device. */
    Backend open() {
        return switch (this) {
            case SCALAR -> CpuBackend.create(new CpuOptions(CpuOptions.Provider.SCALAR, 1));
            case VECTOR -> CpuBackend.create(new CpuOptions(CpuOptions.Provider.VECTOR, 1));
            case CUDA_F32 -> cuda(DType.F32);
            case CUDA_BF16 -> cuda(DType.BF16);
        };
    }

    private static Backend cuda(DType type) {
        return CudaBackend.create(new CudaOptions(0, type, type, 64));
    }

    /**
     * How far logits may be from recorded float32 ones: of float32 whatever the caller allows; of bf16 2 % of the largest logit, and 5 % for
     * checkpoints on which transformers' own bf16 run is beyond or near 2 % too (qwen2 2.3 %, gemma2 2.6 %, nemotron 11 %; random weights
     * and biases of a tiny model leave rounding nothing to average over), or whose router flips on rounded scores (olmoe).
     */
    float tolerance(String name, float float32, float largest) {
        return this == CUDA_BF16 ? (HARD_IN_BF16.contains(name) ? 0.05f : 0.02f) * largest : float32;
    }

    private static final Set<String> HARD_IN_BF16 =
            Set.of("qwen2", "gemma2", "llama-longrope", "nemotron", "olmoe", "qwen2-window");
}
