package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.apus.kernels.DType;
import dev.apus.kernels.cuda.ffi.Nvrtc;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Norm, pointwise, rotary and sampling kernels compile for the architectures and shapes they are for; needs no GPU. */
class PointwiseSourcesTest {
    private static void compiles(String resource, Map<String, String> defines, String architecture, String... kernels) {
        assumeTrue(Nvrtc.library().isPresent(), "no NVRTC on this machine");
        byte[] cubin = new KernelSource(resource, defines).compile(architecture).cubin();
        String symbols = new String(cubin, StandardCharsets.ISO_8859_1);
        assertThat(symbols).contains(kernels);
    }

    @ParameterizedTest
    @CsvSource({"BF16, BF16, sm_80", "BF16, F8_E4M3, sm_89", "F32, F32, sm_90a", "BF16, BF16, sm_90a"})
    void normsAndPointwise(DType activation, DType kv, String architecture) {
        Map<String, String> defines = KernelContext.defines(activation, kv);

        compiles("norm.cu", defines, architecture, "rms_norm", "add_rms_norm", "rms_norm_columns", "layer_norm");
        compiles("pointwise.cu", defines, architecture, "embed", "gated_activation", "gather_rows", "soft_cap_f32");
    }

    @ParameterizedTest
    @CsvSource({
        "128, 128, false, false, BF16, BF16, sm_80",
        "128, 128, false, false, BF16, F8_E4M3, sm_90a",
        "21, 10, true, true, F32, F32, sm_90a",
        "64, 0, false, false, BF16, BF16, sm_89"
    })
    void rotaryEmbedding(
            int headDim,
            int rotaryDim,
            boolean interleaved,
            boolean beforeNorms,
            DType activation,
            DType kv,
            String architecture) {
        Map<String, String> defines =
                new TreeMap<>(KernelContext.defines(activation, kv, "HEAD_DIM", headDim, "ROTARY_DIM", rotaryDim));
        if (interleaved) {
            defines.put("INTERLEAVED", "1");
        }
        if (beforeNorms) {
            defines.put("ROPE_FIRST", "1");
        }

        compiles("rope.cu", defines, architecture, "rope_and_cache");
    }

    @ParameterizedTest
    @CsvSource({"8, 512, 1, sm_90a", "8, 512, 0, sm_90a", "1, 1024, 0, sm_80", "1, 1024, 1, sm_89"})
    void sampling(int cluster, int threads, int resident, String architecture) {
        compiles(
                "sampling.cu",
                Map.of(
                        "CLUSTER", String.valueOf(cluster),
                        "THREADS", String.valueOf(threads),
                        "RESIDENT", String.valueOf(resident)),
                architecture,
                "sample_greedy",
                "sample_rows");
    }
}
