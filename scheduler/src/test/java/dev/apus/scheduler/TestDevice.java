package dev.apus.scheduler;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import dev.apus.kernels.cuda.CudaBackend;
import dev.apus.kernels.cuda.CudaOptions;
import dev.apus.kernels.cuda.CudaSupport;
import java.util.List;

/** What real kernels run on: both CPU providers, or with {@code -Dapus.test.backend=cuda} a GPU in both of its types. */
enum TestDevice {
    SCALAR,
    VECTOR,
    CUDA_F32,
    CUDA_BF16;

    /** The devices of this test run. */
    static List<TestDevice> all() {
        String backend = System.getProperty("apus.test.backend", "cpu");
        return switch (backend) {
            case "cpu" -> List.of(SCALAR, VECTOR);
            case "cuda" -> List.of(CUDA_F32, CUDA_BF16);
            default -> throw new IllegalArgumentException("apus.test.backend is " + backend + ", must be cpu or cuda");
        };
    }

    boolean cuda() {
        return this == CUDA_F32 || this == CUDA_BF16;
    }

    /** Opens the device. */
    Backend open() {
        return switch (this) {
            case SCALAR -> CpuBackend.create(new CpuOptions(CpuOptions.Provider.SCALAR, 2));
            case VECTOR -> CpuBackend.create(new CpuOptions(CpuOptions.Provider.VECTOR, 2));
            case CUDA_F32 -> cuda(DType.F32);
            case CUDA_BF16 -> cuda(DType.BF16);
        };
    }

    private static Backend cuda(DType type) {
        String obstacle = CudaSupport.obstacle();
        assumeTrue(obstacle == null, () -> "no GPU: " + obstacle);
        return CudaBackend.create(new CudaOptions(0, type, type, 32));
    }
}
