package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.Activation;
import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.DType;
import dev.apus.kernels.MoeShape;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepSizes;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The arithmetic of the memory plan, which needs no device. */
class CudaMemoryTest {
    private static final long MIB = 1 << 20;
    private static final CudaMemory.Figures H100 = new CudaMemory.Figures(132, 90, 232448, 50 * MIB, true);
    private static final AttentionShape ALL = new AttentionShape(32, 8, 128, 1, 0, 0);
    private static final AttentionShape WINDOW = new AttentionShape(32, 8, 128, 1, 4096, 0);

    private static CudaOptions options(int graphs) {
        return new CudaOptions(0, DType.BF16, DType.BF16, graphs);
    }

    private static StepSizes sizes(int sequences, int length, List<AttentionShape> shapes, @Nullable MoeShape experts) {
        return new StepSizes(
                8192, sequences, sequences + 64, length, 128_256, 4096, shapes, experts, experts == null ? 0 : 32);
    }

    private static long step(StepSizes sizes, int graphs) {
        return CudaMemory.stepBytes(sizes, options(graphs), H100);
    }

    @Test
    void allocationsComeInPages() {
        assertThat(CudaMemory.allocation(0)).isEqualTo(512);
        assertThat(CudaMemory.allocation(16 << 10)).isEqualTo(16 << 10);
        assertThat(CudaMemory.allocation((16 << 10) + 1)).isEqualTo(32 << 10);
        assertThat(CudaMemory.allocation(MIB)).isEqualTo(2 * MIB);
        assertThat(CudaMemory.allocation(3 * MIB)).isEqualTo(4 * MIB);
        assertThat(CudaMemory.allocation(6 * MIB)).isEqualTo(6 * MIB);
    }

    @Property
    void anAllocationNeverTakesLessThanItHolds(@ForAll @LongRange(min = 0, max = 1L << 40) long bytes) {
        assertThat(CudaMemory.allocation(bytes)).isGreaterThanOrEqualTo(bytes);
        assertThat(CudaMemory.grown(bytes)).isGreaterThanOrEqualTo(bytes);
    }

    @Test
    void aStepOfMoreTokensThanALaunchTakesIsRefused() {
        StepSizes many = new StepSizes(65_536, 1, 65, 512, 1000, 64, List.of(ALL), null, 0);
        assertThatThrownBy(() -> step(many, 0)).hasMessageContaining("65536").hasMessageContaining("at most 65535");
    }

    /** Of an 8B model at the usual limits: most of it graphs, timing and code, and less than a hundredth of the device. */
    @Test
    void anOrdinaryModelNeedsHundredsOfMebibytes() {
        assertThat(step(sizes(256, 8192, List.of(ALL), null), 256)).isBetween(600 * MIB, 800 * MIB);
    }

    @Test
    void everyPartCounts() {
        StepSizes plain = sizes(64, 8192, List.of(ALL), null);
        long base = step(plain, 0);
        assertThat(step(plain, 64) - base).isBetween(11 * 8 * MIB, 11 * 8 * MIB + MIB);
        assertThat(StepGraphs.sizes(64)).hasSize(11);
        // Histories of 64 sequences, 4 times as long: in the upload and in the sampler's copy, each a quarter larger.
        long histories = 4L * 64 * 3 * 8192;
        assertThat(step(sizes(64, 4 * 8192, List.of(ALL), null), 0) - base)
                .isBetween(2 * histories * 5 / 4, 2 * histories * 5 / 4 + histories / 8);
        // Another geometry has a list of its own, and the same scratch.
        assertThat(step(sizes(64, 8192, List.of(ALL, WINDOW), null), 0) - base).isBetween(1L, MIB);
        assertThat(AttentionKernels.scratchBytes(132, List.of(ALL, WINDOW), DType.BF16))
                .isEqualTo(4L * 45 * 8 * (16 * 129 + 1));
        assertThat(AttentionKernels.scratchBytes(132, List.of(ALL), DType.F32)).isZero();
        MoeShape experts = new MoeShape(64, 8, 1024, true, true, Activation.SILU);
        assertThat(step(sizes(64, 8192, List.of(ALL), experts), 0) - base)
                .isEqualTo(MoeKernels.scratchBytes(8192, 4096, experts, 2) + 32 * 2048);
        CudaMemory.Figures without = new CudaMemory.Figures(132, 90, 232448, 50 * MIB, false);
        assertThat(base - CudaMemory.stepBytes(plain, options(0), without)).isEqualTo(228 * MIB);
    }

    /** The largest batch that the server lets through fits the sampling parameters and results that are planned. */
    @Test
    void theWorstBatchFits() {
        StepSizes sizes = sizes(8, 300, List.of(ALL), null);
        SamplingBatch batch = new SamplingBatch(sizes.logitRows());
        batch.count = sizes.logitRows();
        for (int i = 0; i < batch.count; i++) {
            batch.history[i] = i < sizes.sequences() ? new int[300] : null;
            batch.historyLength[i] = i < sizes.sequences() ? 300 : 0;
            batch.biasId[i] = new int[1024];
            batch.biasValue[i] = new float[1024];
            batch.banned[i] = new int[1024];
            batch.allowed[i] = new long[(sizes.vocab() + 63) / 64];
            batch.logprobs[i] = 20;
        }
        long parameters = SamplingBlock.parameterBytes(batch, sizes.vocab());
        assertThat(CudaMemory.upload(sizes, options(8), H100)).isGreaterThan(CudaMemory.grown(parameters));
        assertThat(SamplingBlock.resultBytes(batch, sizes.vocab()))
                .isEqualTo(SamplingBlock.maxResultBytes(sizes.logitRows(), 20));
    }

    @Test
    void vocabulariesBeyondSharedMemoryAreCopied() {
        CudaMemory.Figures small = new CudaMemory.Figures(46, 75, 64 << 10, 4 * MIB, true);
        // 46 rows at once of 151,936 floats, 512 ids, parameters and results.
        assertThat(SamplingKernels.deviceBytes(151_936, 512, 1000, 100, small))
                .isEqualTo(46L * 151_936 * 4 + 2048 + 1100);
        assertThat(SamplingKernels.deviceBytes(151_936, 512, 1000, 100, H100)).isEqualTo(2048 + 1100);
    }
}
