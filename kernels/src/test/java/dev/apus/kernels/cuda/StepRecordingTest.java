package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.apus.kernels.DType;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import dev.apus.kernels.cpu.Floats;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What a backend does that is not a kernel's result: recordings made anew. Skipped without a GPU. */
@Tag("gpu")
class StepRecordingTest {
    private static final CudaOptions OPTIONS = new CudaOptions(0, DType.BF16, DType.BF16, 8);

    @BeforeEach
    void needsAGpu() {
        String obstacle = CudaSupport.obstacle();
        assumeTrue(obstacle == null, () -> "no CUDA: " + obstacle);
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
