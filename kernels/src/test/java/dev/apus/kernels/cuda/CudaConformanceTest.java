package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.apus.kernels.Activation;
import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Kernels;
import dev.apus.kernels.Linear;
import dev.apus.kernels.MoeShape;
import dev.apus.kernels.MoeWeights;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import dev.apus.kernels.cpu.AttentionHarness;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import dev.apus.kernels.cpu.Floats;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every kernel of the device against the scalar oracle, over odd sizes, in both types of activations. Skipped where there is no GPU.
 *
 * <p>{@code -Dapus.test.shapes=few} leaves of each kernel's sizes one for each of its ways, for tools that slow it down a hundredfold.
 */
@Tag("gpu")
class CudaConformanceTest {
    private static final boolean FEW = "few".equals(System.getProperty("apus.test.shapes"));
    private static final int[] ROWS =
            FEW ? new int[] {1, 4, 8, 13, 17} : new int[] {1, 2, 3, 4, 5, 8, 9, 16, 17, 33, 64, 70, 130};
    private static final int[] WIDTHS =
            FEW ? new int[] {65, 512} : new int[] {1, 7, 16, 64, 65, 96, 250, 512, 1000, 4096};

    enum Type {
        F32(DType.F32, 2e-5),
        BF16(DType.BF16, 6e-3);

        final DType dtype;
        /** Relative error of a whole result: rounding of operands and results to the type. */
        final double tolerance;

        Type(DType dtype, double tolerance) {
            this.dtype = dtype;
            this.tolerance = tolerance;
        }

        CudaBackend open() {
            return open(dtype);
        }

        CudaBackend open(DType kv) {
            String obstacle = CudaSupport.obstacle();
            assumeTrue(obstacle == null, "no GPU: " + obstacle);
            return CudaBackend.create(new CudaOptions(0, dtype, kv, 64));
        }

        float[] round(float[] values) {
            float[] rounded = values.clone();
            for (int i = 0; this == BF16 && i < rounded.length; i++) {
                rounded[i] = CudaTensors.bf16(rounded[i]);
            }
            return rounded;
        }
    }

    private static CpuBackend oracle() {
        return CpuBackend.create(new CpuOptions(CpuOptions.Provider.SCALAR, 1));
    }

    /** A kernel over matrices x and y of one width, and vectors of that width; both matrices are looked at. */
    private interface Rowwise {
        void run(Kernels kernels, Tensor x, Tensor y, Tensor weight, Tensor bias, int rows);
    }

    private static float[] run(Backend backend, Rowwise kernel, float[][] inputs, int rows, int width) {
        Tensor x = Floats.activations(backend, inputs[0], rows, width);
        Tensor y = Floats.activations(backend, inputs[1], rows, width);
        kernel.run(
                backend.kernels(),
                x,
                y,
                Floats.tensor(backend, inputs[2], width),
                Floats.tensor(backend, inputs[3], width),
                rows);
        float[] both = Arrays.copyOf(Floats.values(backend, x), 2 * rows * width);
        System.arraycopy(Floats.values(backend, y), 0, both, rows * width, rows * width);
        return both;
    }

    @ParameterizedTest
    @EnumSource(Type.class)
    void rowwiseKernels(Type type) {
        List<Rowwise> kernels = new ArrayList<>(List.of(
                (k, x, y, w, b, n) -> k.rmsNorm(y, x, w, 1e-5f, n),
                (k, x, y, w, b, n) -> k.rmsNorm(x, x, w, 1e-6f, n),
                (k, x, y, w, b, n) -> k.addRmsNorm(y, x, y, w, 1e-5f, n),
                (k, x, y, w, b, n) -> k.layerNorm(y, x, w, b, 1e-5f, n),
                (k, x, y, w, b, n) -> k.layerNorm(y, x, w, null, 1e-5f, n),
                (k, x, y, w, b, n) -> k.add(x, y, n),
                (k, x, y, w, b, n) -> k.scale(x, 1.7f, n),
                (k, x, y, w, b, n) -> k.softCap(x, 3, n)));
        for (Activation activation : Activation.values()) {
            kernels.add((k, x, y, w, b, n) -> k.activation(x, activation, n));
        }
        try (CudaBackend cuda = type.open();
                CpuBackend cpu = oracle()) {
            Random random = new Random(11);
            for (int width : WIDTHS) {
                for (int rows : FEW ? new int[] {3} : new int[] {1, 3, 64, 67}) {
                    float[][] inputs = {
                        type.round(Floats.random(random, rows * width, 3)),
                        type.round(Floats.random(random, rows * width, 1)),
                        Floats.random(random, width, 1),
                        Floats.random(random, width, 1)
                    };
                    for (Rowwise kernel : kernels) {
                        float[] expected = run(cpu, kernel, inputs, rows, width);
                        float[] actual = run(cuda, kernel, inputs, rows, width);
                        Floats.assertCloseTogether(actual, expected, type.tolerance);
                    }
                }
            }
        }
    }

    private interface Gated {
        void run(Kernels kernels, Tensor out, Tensor in, Tensor gate, int rows);
    }

    @ParameterizedTest
    @EnumSource(Type.class)
    void gatesAndColumns(Type type) {
        try (CudaBackend cuda = type.open();
                CpuBackend cpu = oracle()) {
            Random random = new Random(12);
            for (int width : FEW ? new int[] {70, 256} : new int[] {6, 24, 70, 256, 1000}) {
                int rows = 1 + random.nextInt(40);
                float[] wide = type.round(Floats.random(random, rows * 2 * width, 2));
                float[] out = type.round(Floats.random(random, rows * width, 2));
                float[] gate = Floats.random(random, rows, 2);
                float[] weight = Floats.random(random, width / 2, 1);
                List<Gated> kernels = new ArrayList<>();
                for (Activation activation : Activation.values()) {
                    kernels.add((k, o, in, g, n) -> k.gatedActivation(o, in, activation, n));
                }
                for (Gated kernel : kernels) {
                    List<float[]> results = new ArrayList<>();
                    for (Backend backend : List.of(cpu, cuda)) {
                        Tensor target = Floats.activations(backend, out, rows, width);
                        kernel.run(
                                backend.kernels(),
                                target,
                                Floats.activations(backend, wide, rows, 2L * width),
                                Floats.tensor(backend, gate, rows, 1),
                                rows);
                        results.add(Floats.values(backend, target));
                    }
                    Floats.assertCloseTogether(results.get(1), results.get(0), type.tolerance);
                }
                List<float[]> results = new ArrayList<>();
                for (Backend backend : List.of(cpu, cuda)) {
                    Tensor x = Floats.activations(backend, out, rows, width);
                    Tensor delta = Floats.activations(backend, Arrays.copyOf(wide, rows * width), rows, width);
                    backend.kernels().addGated(x, delta, Floats.tensor(backend, gate, rows, 1), rows);
                    backend.kernels()
                            .rmsNormColumns(
                                    x, width / 4, width / 2, Floats.tensor(backend, weight, width / 2), 1e-5f, rows);
                    results.add(Floats.values(backend, x));
                }
                Floats.assertCloseTogether(results.get(1), results.get(0), type.tolerance);
            }
        }
    }

    private static HostTensor host(Arena arena, float[] values, long... shape) {
        MemorySegment data = arena.allocate(4L * values.length, 64);
        MemorySegment.copy(values, 0, data, ValueLayout.JAVA_FLOAT, 0, values.length);
        return new HostTensor(DType.F32, shape, data);
    }

    @ParameterizedTest
    @EnumSource(Type.class)
    void linearLayersOfAllSizes(Type type) {
        int[][] few = {{33, 70}, {301, 520}, {4608, 136}};
        int[][] all = {
            {1, 1},
            {7, 9},
            {16, 64},
            {33, 70},
            {100, 128},
            {256, 96},
            {301, 520},
            {1024, 1032},
            {640, 2048},
            {4608, 136}
        };
        int[][] sizes = FEW ? few : all;
        try (CudaBackend cuda = type.open();
                CpuBackend cpu = oracle();
                Arena arena = Arena.ofConfined()) {
            Random random = new Random(13);
            for (int[] size : sizes) {
                int out = size[0];
                int in = size[1];
                float[] weight = type.round(Floats.random(random, out * in, 0.5f));
                HostTensor part = host(arena, weight, out, in);
                HostTensor bias = host(arena, Floats.random(random, out, 1), out);
                for (boolean biased : new boolean[] {false, true}) {
                    Linear expectedLayer = cpu.linear(List.of(part), biased ? bias : null);
                    Linear layer = cuda.linear(List.of(part), biased ? bias : null);
                    for (int rows : ROWS) {
                        float[] x = type.round(Floats.random(random, rows * in, 1));
                        float[] before = type.round(Floats.random(random, rows * out, 1));
                        Tensor expected = Floats.tensor(cpu, before, rows, out);
                        cpu.kernels().linearAdd(expected, Floats.tensor(cpu, x, rows, in), expectedLayer, rows);
                        Tensor actual = Floats.activations(cuda, before, rows, out);
                        Tensor input = Floats.activations(cuda, x, rows, in);
                        cuda.kernels().linearAdd(actual, input, layer, rows);
                        Floats.assertCloseTogether(
                                Floats.values(cuda, actual), Floats.values(expected), type.tolerance);

                        cpu.kernels().linear(expected, Floats.tensor(cpu, x, rows, in), expectedLayer, rows);
                        cuda.kernels().linear(actual, input, layer, rows);
                        Floats.assertCloseTogether(
                                Floats.values(cuda, actual), Floats.values(expected), type.tolerance);
                        // As logits are made: F32 results of the same operands are exact but for the order of sums.
                        Tensor logits = cuda.allocate(DType.F32, rows, out);
                        cuda.kernels().linear(logits, input, layer, rows);
                        Floats.assertCloseTogether(Floats.values(cuda, logits), Floats.values(expected), 2e-5);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Type.class)
    void embedsAndGathers(Type type) {
        try (CudaBackend cuda = type.open();
                CpuBackend cpu = oracle();
                Arena arena = Arena.ofConfined()) {
            Random random = new Random(14);
            for (int width : FEW ? new int[] {64} : new int[] {5, 64, 1000}) {
                HostTensor table = host(arena, type.round(Floats.random(random, 300 * width, 1)), 300, width);
                StepBatch batch = new StepBatch(64, 4, 16);
                int[] ids = random.ints(40, 0, 300).toArray();
                batch.addSequence(ids, 3, 17, new int[] {2, 0, 1}, 3, 16);
                batch.addSequence(ids, 0, 9, new int[] {4}, 1, 2);
                int rows = batch.tokens();
                List<float[]> results = new ArrayList<>();
                for (Backend backend : List.of(cpu, cuda)) {
                    Linear weights = backend.linear(List.of(table), null);
                    Tensor x = Floats.activations(backend, new float[rows * width], rows, width);
                    backend.kernels().embed(x, weights, batch, 1.5f);
                    backend.kernels().addPositions(x, weights, batch, 2);
                    Tensor last = Floats.activations(backend, new float[rows * width], rows, width);
                    backend.kernels().gatherLogitRows(last, x, batch);
                    float[] both = Arrays.copyOf(Floats.values(backend, x), 2 * rows * width);
                    System.arraycopy(Floats.values(backend, last), 0, both, rows * width, rows * width);
                    results.add(both);
                }
                Floats.assertCloseTogether(results.get(1), results.get(0), type.tolerance);
            }
        }
    }

    /** Heads of 128 without soft cap have a prefill kernel of their own on Hopper: several of its tiles, and windows between them. */
    private static List<AttentionHarness.Case> wideHeads() {
        int[] lengths = {1, 300, 16, 70, 129};
        int[] windowed = {33, 520, 200};
        return List.of(
                new AttentionHarness.Case(new AttentionShape(8, 2, 128, 0.09f, 0, 0), lengths, 128, false, true, 201),
                new AttentionHarness.Case(
                        new AttentionShape(4, 4, 128, 0.09f, 90, 0), windowed, 128, false, false, 202));
    }

    static Stream<Arguments> attentionCases() {
        List<AttentionHarness.Case> all = new ArrayList<>(dev.apus.kernels.cpu.AttentionConformanceTest.cases());
        all.addAll(wideHeads());
        // 64 with its window, 96, and the kernels for any heads.
        List<AttentionHarness.Case> few = List.of(all.get(0), all.get(2), all.get(8), all.get(9));
        return (FEW ? few : all)
                .stream().flatMap(given -> Stream.of(Type.values()).map(type -> Arguments.of(given, type)));
    }

    @ParameterizedTest
    @MethodSource("attentionCases")
    void attentionInMixedBatches(AttentionHarness.Case given, Type type) {
        AttentionHarness harness = new AttentionHarness(given);
        try (CudaBackend cuda = type.open();
                CpuBackend cpu = oracle()) {
            float[][] expected = harness.run(cpu, null);
            for (long plan = FEW ? 2 : 0; plan < 3; plan++) {
                float[][] actual = harness.run(cuda, plan == 0 ? null : new Random(plan));
                for (int s = 0; s < expected.length; s++) {
                    // Inputs are rounded to bf16, and keys and values once more.
                    Floats.assertCloseTogether(actual[s], expected[s], type == Type.BF16 ? 2e-2 : 5e-5);
                }
            }
        }
    }

    static Stream<AttentionHarness.Case> fp8Cases() {
        return attentionCases()
                .map(given -> (AttentionHarness.Case) given.get()[0])
                .distinct();
    }

    @ParameterizedTest
    @MethodSource("fp8Cases")
    void attentionOverAnFp8Cache(AttentionHarness.Case given) {
        AttentionHarness harness = new AttentionHarness(given);
        try (CudaBackend cuda = Type.BF16.open(DType.F8_E4M3);
                CpuBackend cpu = oracle()) {
            float[][] expected = harness.run(cpu, null);
            for (long plan = FEW ? 2 : 0; plan < 3; plan++) {
                float[][] actual = harness.run(cuda, plan == 0 ? null : new Random(plan));
                for (int s = 0; s < expected.length; s++) {
                    // Keys and values keep four bits of mantissa.
                    Floats.assertCloseTogether(actual[s], expected[s], 8e-2);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Type.class)
    void mixturesOfExperts(Type type) {
        try (CudaBackend cuda = type.open();
                CpuBackend cpu = oracle();
                Arena arena = Arena.ofConfined()) {
            Random random = new Random(15);
            int[][] few = {{70, 33, 7, 3}, {128, 64, 16, 2}};
            int[][] all = {{64, 48, 4, 2}, {70, 33, 7, 3}, {128, 64, 16, 1}, {256, 96, 8, 8}};
            for (int[] size : FEW ? few : all) {
                int hidden = size[0];
                int inner = size[1];
                int experts = size[2];
                List<HostTensor> up = new ArrayList<>();
                List<HostTensor> down = new ArrayList<>();
                for (int e = 0; e < experts; e++) {
                    up.add(host(
                            arena, type.round(Floats.random(random, 2 * inner * hidden, 0.2f)), 2L * inner, hidden));
                    down.add(host(arena, type.round(Floats.random(random, hidden * inner, 0.2f)), hidden, inner));
                }
                for (boolean first : FEW ? new boolean[] {true} : new boolean[] {true, false}) {
                    MoeShape shape = new MoeShape(experts, size[3], inner, first, first, Activation.SILU);
                    for (int rows : FEW ? new int[] {5, 200} : new int[] {1, 5, 40, 200}) {
                        float[] x = type.round(Floats.random(random, rows * hidden, 1));
                        float[] scores = Floats.random(random, rows * experts, 2);
                        List<float[]> results = new ArrayList<>();
                        for (Backend backend : List.of(cpu, cuda)) {
                            MoeWeights weights = new MoeWeights(
                                    up.stream()
                                            .map(w -> backend.linear(List.of(w), null))
                                            .toList(),
                                    down.stream()
                                            .map(w -> backend.linear(List.of(w), null))
                                            .toList());
                            Tensor out = Floats.activations(backend, new float[rows * hidden], rows, hidden);
                            backend.kernels()
                                    .moe(
                                            out,
                                            Floats.activations(backend, x, rows, hidden),
                                            Floats.tensor(backend, scores, rows, experts),
                                            weights,
                                            shape,
                                            rows);
                            results.add(Floats.values(backend, out));
                        }
                        Floats.assertCloseTogether(results.get(1), results.get(0), type == Type.BF16 ? 1e-2 : 5e-5);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Type.class)
    void samplesTheLikeliestAndItsLogprobs(Type type) {
        try (CudaBackend cuda = type.open();
                CpuBackend cpu = oracle()) {
            Random random = new Random(16);
            for (int vocab : FEW ? new int[] {100, 32003} : new int[] {5, 100, 1000, 32003, 151936}) {
                int rows = 9;
                float[] logits = Floats.random(random, rows * vocab, 4);
                List<SamplingBatch> results = new ArrayList<>();
                for (Backend backend : List.of(cpu, cuda)) {
                    SamplingBatch batch = new SamplingBatch(rows);
                    batch.count = rows;
                    for (int i = 0; i < rows; i++) {
                        batch.row[i] = i;
                        batch.topP[i] = 1;
                        batch.repetitionPenalty[i] = i == 2 ? 1.3f : 1;
                        batch.presencePenalty[i] = i == 3 ? 0.7f : 0;
                        batch.frequencyPenalty[i] = i == 3 ? 0.2f : 0;
                        batch.history[i] = i == 2 || i == 3 ? new int[] {1, 2, 3, 1, 1, 4} : null;
                        batch.promptLength[i] = 2;
                        batch.historyLength[i] = 6;
                        batch.forcedId[i] = i == 4 ? vocab / 2 : -1;
                        batch.logprobs[i] = i == 5 ? -1 : Math.min(vocab, i);
                        batch.biasId[i] = i == 6 ? new int[] {vocab - 1} : null;
                        batch.biasValue[i] = i == 6 ? new float[] {100} : null;
                        batch.banned[i] = i == 7 ? new int[] {0, 1} : null;
                    }
                    backend.kernels().sample(Floats.tensor(backend, logits, rows, vocab), batch);
                    results.add(batch);
                }
                SamplingBatch expected = results.get(0);
                SamplingBatch actual = results.get(1);
                for (int i = 0; i < rows; i++) {
                    assertThat(actual.sampledId[i]).as("row %d of %d", i, vocab).isEqualTo(expected.sampledId[i]);
                    assertThat(actual.corrupted[i]).isFalse();
                    int k = expected.logprobs[i];
                    if (k >= 0) {
                        assertThat(actual.sampledLogprob[i])
                                .isCloseTo(expected.sampledLogprob[i], org.assertj.core.api.Assertions.within(2e-4f));
                        assertThat(actual.sampledRank[i]).isEqualTo(expected.sampledRank[i]);
                    }
                    if (k > 0) {
                        assertThat(Arrays.copyOf(Objects.requireNonNull(actual.topId[i]), k))
                                .isEqualTo(Arrays.copyOf(Objects.requireNonNull(expected.topId[i]), k));
                    }
                }
            }
        }
    }
}
