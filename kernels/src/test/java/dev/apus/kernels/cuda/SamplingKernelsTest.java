package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Sampling on the device against the CPU's: all that does not draw is equal. Skipped without a GPU. */
@Tag("gpu")
class SamplingKernelsTest {
    private static final int ROWS = 48;
    private static final int HISTORY = 60;

    @TempDir
    private Path cache;

    private final Random random = new Random(3);

    /** Samples a batch of at most {@link #ROWS} rows. */
    private interface Sampling {
        void sample(SamplingBatch batch);
    }

    private interface Body {
        void run(Sampling sampling);
    }

    private void onDevice(HostTensor logits, Body body) {
        String obstacle = CudaSupport.obstacle();
        assumeTrue(obstacle == null, () -> "no CUDA: " + obstacle);
        int rows = Math.toIntExact(logits.dim(0));
        int vocab = Math.toIntExact(logits.dim(1));
        long parameterBytes = SamplingBlock.maxParameterBytes(ROWS, ROWS * HISTORY, 32L * ROWS, vocab);
        long resultBytes = SamplingBlock.maxResultBytes(ROWS, vocab);
        try (CudaDevice device = CudaDevice.open(0);
                Arena arena = Arena.ofConfined();
                KernelCompiler compiler = new KernelCompiler(device, cache);
                CudaStream stream = device.newStream();
                PinnedMemory up = PinnedMemory.allocate(device, parameterBytes);
                PinnedMemory down = PinnedMemory.allocate(device, resultBytes);
                PinnedMemory values =
                        PinnedMemory.allocate(device, logits.data().byteSize())) {
            KernelContext context =
                    new KernelContext(device, stream, compiler, DType.BF16, DType.BF16, new LaunchArgs(arena));
            try (SamplingKernels kernels = new SamplingKernels(context, vocab, ROWS, parameterBytes, resultBytes)) {
                values.segment().copyFrom(logits.data());
                CudaTensor source = new CudaTensor(
                        DType.F32, logits.shape(), device.allocate(logits.data().byteSize()));
                stream.upload(source.address(), values.segment(), logits.data().byteSize());
                long parameters = device.allocate(parameterBytes);
                long results = device.allocate(resultBytes);
                long sampled = device.allocate(4L * ROWS);
                body.run(batch -> {
                    SamplingBlock.Plan plan = kernels.write(batch, rows, up.segment());
                    stream.upload(parameters, up.segment(), plan.parameterBytes());
                    kernels.launch(source, plan, parameters, results, sampled);
                    stream.download(down.segment(), results, plan.resultBytes());
                    stream.synchronize();
                    kernels.read(down.segment(), batch);
                });
            }
        }
    }

    private HostTensor logits(Arena arena, int rows, int vocab) {
        MemorySegment data = arena.allocate(4L * rows * vocab, 64);
        for (long i = 0; i < (long) rows * vocab; i++) {
            // Quarters: many equal values, and sums of bias and penalties without rounding.
            data.setAtIndex(ValueLayout.JAVA_FLOAT, i, Math.round(random.nextGaussian() * 12) / 4f);
        }
        return new HostTensor(DType.F32, new long[] {rows, vocab}, data);
    }

    private static SamplingBatch plain(int count, int rows) {
        SamplingBatch batch = new SamplingBatch(ROWS);
        batch.count = count;
        Arrays.fill(batch.topP, 1);
        Arrays.fill(batch.repetitionPenalty, 1);
        Arrays.fill(batch.logprobs, -1);
        for (int i = 0; i < count; i++) {
            batch.row[i] = i % rows;
        }
        return batch;
    }

    private int[] ids(int count, int vocab) {
        return random.ints(count, 0, vocab).toArray();
    }

    private SamplingBatch adjusted(int rows, int vocab) {
        SamplingBatch batch = plain(ROWS, rows);
        for (int i = 0; i < ROWS; i++) {
            batch.logprobs[i] = i % 4 == 0 ? Math.min(vocab, i) : i % 4 - 2;
            batch.logprobIds[i] = i % 5 == 0 && batch.logprobs[i] > 0 ? ids(batch.logprobs[i], vocab) : null;
            batch.forcedId[i] = i % 9 == 0 ? random.nextInt(vocab) : -1;
            if (i % 2 == 1) {
                batch.history[i] = ids(HISTORY, vocab);
                batch.historyLength[i] = HISTORY - i % 5;
                batch.promptLength[i] = i % 30;
                batch.repetitionPenalty[i] = 2;
                batch.presencePenalty[i] = 0.5f;
                batch.frequencyPenalty[i] = 0.25f;
            }
            if (i % 3 == 1) {
                batch.biasId[i] = new int[] {i % vocab, vocab - 1};
                batch.biasValue[i] = new float[] {20, Float.NEGATIVE_INFINITY};
                batch.banned[i] = ids(8, vocab);
            }
            if (i % 5 == 2) {
                batch.allowed[i] = random.longs(vocab / 100 + 1).toArray();
            }
        }
        return batch;
    }

    /** {@code -Dapus.test.shapes=few}: see {@link CudaConformanceTest}. */
    static IntStream vocabularies() {
        return "few".equals(System.getProperty("apus.test.shapes"))
                ? IntStream.of(300, 32000)
                : IntStream.of(7, 300, 1001, 32000, 151936);
    }

    @ParameterizedTest
    @MethodSource("vocabularies")
    void whatIsNotDrawnEqualsTheCpus(int vocab) {
        try (Arena arena = Arena.ofConfined();
                CpuBackend oracle = CpuBackend.create(new CpuOptions(CpuOptions.Provider.SCALAR, 1))) {
            HostTensor logits = logits(arena, 6, vocab);
            SamplingBatch batch = adjusted(6, vocab);
            onDevice(logits, sampling -> sampling.sample(batch));
            int[] sampled = batch.sampledId.clone();
            boolean[] corrupted = batch.corrupted.clone();
            int[] ranks = batch.sampledRank.clone();
            float[] logprobs = batch.sampledLogprob.clone();
            int[][] tops = Arrays.stream(batch.topId)
                    .map(t -> t == null ? new int[0] : t.clone())
                    .toArray(int[][]::new);

            oracle.kernels().sample(logits, batch);

            assertThat(sampled).isEqualTo(batch.sampledId);
            assertThat(corrupted).isEqualTo(batch.corrupted);
            for (int i = 0; i < batch.count; i++) {
                if (batch.logprobs[i] >= 0 && !corrupted[i]) {
                    assertThat(ranks[i]).isEqualTo(batch.sampledRank[i]);
                    assertThat(logprobs[i]).isCloseTo(batch.sampledLogprob[i], within(1e-4f));
                    assertThat(Arrays.copyOf(tops[i], batch.logprobs[i]))
                            .isEqualTo(Arrays.copyOf(Objects.requireNonNull(batch.topId[i]), batch.logprobs[i]));
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {300, 151936})
    void aDrawDependsOnItsRowOnly(int vocab) {
        try (Arena arena = Arena.ofConfined()) {
            onDevice(logits(arena, 4, vocab), sampling -> {
                SamplingBatch together = plain(ROWS, 4);
                for (int i = 0; i < ROWS; i++) {
                    drawn(together, i, i);
                }
                sampling.sample(together);
                for (int i = 0; i < ROWS; i += 5) {
                    SamplingBatch alone = plain(1, 4);
                    alone.row[0] = i % 4;
                    drawn(alone, 0, i);
                    sampling.sample(alone);
                    assertThat(alone.sampledId[0]).isEqualTo(together.sampledId[i]);
                }
            });
        }
    }

    private static void drawn(SamplingBatch batch, int entry, int kind) {
        batch.temperature[entry] = 1;
        batch.seed[entry] = 1000L + kind;
        batch.position[entry] = kind;
        batch.topK[entry] = kind % 3 == 0 ? 20 : 0;
        batch.topP[entry] = kind % 2 == 0 ? 0.9f : 1;
        batch.minP[entry] = kind % 5 == 0 ? 0.01f : 0;
    }
}
