package dev.apus.kernels.cuda.ffi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.MemoryLayout;
import org.junit.jupiter.api.Test;

/** What of cuBLASLt can be called without a device: descriptions of products. */
class CublasLtTest {
    @Test
    void theResultOfAHeuristicHasTheDocumentedLayout() {
        assertThat(CublasLt.HEURISTIC.byteSize()).isEqualTo(96);
        assertThat(CublasLt.HEURISTIC.byteOffset(MemoryLayout.PathElement.groupElement("workspaceSize")))
                .isEqualTo(64);
        assertThat(CublasLt.HEURISTIC.byteOffset(MemoryLayout.PathElement.groupElement("state")))
                .isEqualTo(72);
        assertThat(CublasLt.HEURISTIC.byteOffset(MemoryLayout.PathElement.groupElement("wavesCount")))
                .isEqualTo(76);
    }

    @Test
    void describesAProduct() {
        assumeTrue(
                CublasLt.library().isPresent(),
                () -> "no cuBLASLt here: " + CublasLt.library().obstacle());
        assertThat(CublasLt.version()).isBetween(120_000L, 999_999L);
        long desc = CublasLt.createDesc(CublasLt.COMPUTE_32F);
        CublasLt.setDesc(desc, CublasLt.DESC_TRANSA, CublasLt.OP_T);
        CublasLt.setDesc(desc, CublasLt.DESC_EPILOGUE, CublasLt.EPILOGUE_BIAS);
        CublasLt.setDesc(desc, CublasLt.DESC_BIAS_DATA_TYPE, CublasLt.R_32F);
        CublasLt.setDescPointer(desc, CublasLt.DESC_BIAS_POINTER, 1 << 20);
        CublasLt.setDescFastAccumulation(desc, true);
        assertThatThrownBy(() -> CublasLt.setDesc(desc, CublasLt.DESC_BIAS_POINTER, 1))
                .isInstanceOf(CudaException.class)
                .hasMessageStartingWith("cublasLtMatmulDescSetAttribute failed: CUBLAS_STATUS_INVALID_VALUE (7)");
        CublasLt.destroyDesc(desc);
        long layout = CublasLt.createLayout(CublasLt.R_16BF, 4096, 128, 4096);
        assertThat(layout).isNotZero();
        CublasLt.destroyLayout(layout);
        long preference = CublasLt.createPreference(32 << 20);
        assertThat(preference).isNotZero();
        CublasLt.destroyPreference(preference);
    }
}
