package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import dev.apus.kernels.cpu.Floats;
import dev.apus.kernels.cuda.ffi.CudaException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a backend does that is not a kernel's result: recordings made anew, and life after a kernel's fault. Skipped without a GPU. */
@Tag("gpu")
class DeviceFaultTest {
    private static final CudaOptions OPTIONS = new CudaOptions(0, DType.BF16, DType.BF16, 8);

    @TempDir
    private Path cache;

    @BeforeEach
    void needsAGpu() {
        String obstacle = CudaSupport.obstacle();
        assumeTrue(obstacle == null, () -> "no CUDA: " + obstacle);
    }

    /** Of 64 rows, which cuBLASLt computes. */
    private static float[] product(CudaBackend backend) {
        int size = 512;
        int rows = 64;
        Random random = new Random(4);
        float[] weight = Floats.random(random, size * size, 0.5f);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment data = arena.allocate(4L * weight.length, 64);
            MemorySegment.copy(weight, 0, data, ValueLayout.JAVA_FLOAT, 0, weight.length);
            Tensor out = backend.allocate(DType.F32, rows, size);
            backend.kernels()
                    .linear(
                            out,
                            Floats.activations(backend, Floats.random(random, rows * size, 1), rows, size),
                            backend.linear(List.of(new HostTensor(DType.F32, new long[] {size, size}, data)), null),
                            rows);
            return CudaTensors.values(backend, out);
        }
    }

    @Test
    void aDeviceIsOpenedAnewAfterAKernelsFault() {
        CudaBackend backend = CudaBackend.create(OPTIONS);
        float[] before = product(backend);
        try (Arena arena = Arena.ofConfined();
                KernelCompiler compiler = new KernelCompiler(CudaDevice.open(0), cache)) {
            // Another holder of the context, as cuBLASLt is: it must not keep the broken one alive.
            CudaDevice holder = CudaDevice.open(0);
            CudaStream stream = holder.newStream();
            compiler.load("probe_fault.cu", Map.of())
                    .function("write_nowhere")
                    .launch(stream, 1, 1, 1, 1, 0, new LaunchArgs(arena).clear().address(16));
            assertThatThrownBy(stream::synchronize)
                    .isInstanceOf(CudaException.class)
                    .hasMessageContaining("CUDA_ERROR_ILLEGAL_ADDRESS");
        }
        assertThatThrownBy(backend::close).isInstanceOf(CudaException.class);
        try (CudaBackend again = CudaBackend.create(OPTIONS)) {
            assertThat(product(again)).isEqualTo(before);
        }
    }

    /** A history that outgrows the metadata's first block makes another, and the recordings are void. */
    @Test
    void stepsAreRecordedAnewAfterTheMetadataMoved() {
        try (CudaBackend backend = CudaBackend.create(OPTIONS)) {
            Tensor logits = Floats.tensor(backend, Floats.random(new Random(5), 8 * 64, 1), 8, 64);
            int first = recorded(backend, logits, 16);
            assertThat(first).isEqualTo(1);
            // Eight histories of 200,000 ids are above the 4 MiB that there are at first.
            assertThat(recorded(backend, logits, 200_000)).isEqualTo(2);
        }
    }

    /** Graphs recorded after some steps of eight sequences, whose penalties look at so many ids. */
    private static int recorded(CudaBackend backend, Tensor logits, int history) {
        Tensor x = Floats.activations(backend, Floats.random(new Random(6), 8 * 64, 1), 8, 64);
        Tensor weight = Floats.tensor(backend, Floats.random(new Random(7), 64, 1), 64);
        StepBatch step = new StepBatch(8, 8, CudaKvCache.BLOCK);
        SamplingBatch sampling = new SamplingBatch(8);
        for (int i = 0; i < 4; i++) {
            step.clear();
            sampling.count = 8;
            for (int sequence = 0; sequence < 8; sequence++) {
                step.addSequence(new int[1], 0, 1, new int[] {sequence}, 1, 0);
                sampling.row[sequence] = sequence;
                sampling.topP[sequence] = 1;
                sampling.repetitionPenalty[sequence] = 2;
                sampling.history[sequence] = new int[history];
                sampling.historyLength[sequence] = history;
                sampling.logprobs[sequence] = -1;
            }
            backend.launch(step, sampling, shape -> {
                backend.kernels().rmsNorm(x, x, weight, 1e-5f, 8);
                return logits;
            });
            backend.await(sampling);
        }
        return backend.recordedGraphs();
    }
}
