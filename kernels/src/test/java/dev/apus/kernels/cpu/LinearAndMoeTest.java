package dev.apus.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.Activation;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.Linear;
import dev.apus.kernels.MoeShape;
import dev.apus.kernels.MoeWeights;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.StepSizes;
import dev.apus.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Linear layers, embeddings, experts and the backend's own checks, on both providers. */
class LinearAndMoeTest {
    private static CpuBackend open(CpuOptions.Provider provider, int threads) {
        return CpuBackend.create(new CpuOptions(provider, threads));
    }

    private static HostTensor matrix(CpuBackend backend, float[] values, long... shape) {
        return (HostTensor) Floats.tensor(backend, values, shape);
    }

    private static HostTensor halves(CpuBackend backend, float[] values, long... shape) {
        HostTensor tensor = (HostTensor) backend.allocate(DType.F16, shape);
        for (int i = 0; i < values.length; i++) {
            tensor.data().setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(values[i]));
            values[i] = Float.float16ToFloat(Float.floatToFloat16(values[i]));
        }
        return tensor;
    }

    @ParameterizedTest
    @CsvSource({"SCALAR,1", "SCALAR,3", "VECTOR,1", "VECTOR,3"})
    void multipliesPartsOfSeveralFormats(CpuOptions.Provider provider, int threads) {
        Random random = new Random(3);
        int in = 96;
        float[] first = Floats.random(random, 37 * in, 1);
        float[] second = Floats.random(random, 5 * in, 1);
        float[] bias = Floats.random(random, 42, 1);
        float[] x = Floats.random(random, 9 * in, 1);
        float[] before = Floats.random(random, 9 * 42, 1);
        try (CpuBackend backend = open(provider, threads)) {
            Linear linear = backend.linear(
                    List.of(matrix(backend, first, 37, in), halves(backend, second, 5, in)), matrix(backend, bias, 42));
            float[] weights = Arrays.copyOf(first, 42 * in);
            System.arraycopy(second, 0, weights, 37 * in, 5 * in);
            float[] expected = new float[9 * 42];
            for (int r = 0; r < 9; r++) {
                for (int o = 0; o < 42; o++) {
                    double sum = bias[o];
                    for (int i = 0; i < in; i++) {
                        sum += (double) x[r * in + i] * weights[o * in + i];
                    }
                    expected[r * 42 + o] = (float) sum;
                }
            }
            Tensor input = Floats.tensor(backend, x, 9, in);
            Tensor out = backend.allocate(DType.F32, 9, 42);
            backend.kernels().linear(out, input, linear, 9);
            float[] nine = Floats.values(out);
            Floats.assertClose(nine, expected, 1e-5);
            Tensor one = backend.allocate(DType.F32, 1, 42);
            backend.kernels()
                    .linear(one, Floats.tensor(backend, Arrays.copyOfRange(x, 4 * in, 5 * in), 1, in), linear, 1);
            Floats.assertSameBits(Floats.values(one), Arrays.copyOfRange(nine, 4 * 42, 5 * 42));
            Tensor sum = Floats.tensor(backend, before, 9, 42);
            backend.kernels().linearAdd(sum, input, linear, 9);
            for (int i = 0; i < before.length; i++) {
                before[i] += nine[i];
            }
            Floats.assertSameBits(Floats.values(sum), before);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = CpuOptions.Provider.class,
            names = {"SCALAR", "VECTOR"})
    void embedsAddsPositionsAndGathers(CpuOptions.Provider provider) {
        float[] table = Floats.random(new Random(5), 11 * 32, 1);
        try (CpuBackend backend = open(provider, 2)) {
            Linear weight = backend.linear(List.of(matrix(backend, table, 11, 32)), null);
            StepBatch batch = new StepBatch(8, 2, 16);
            batch.addSequence(new int[] {7, 3, 10}, 0, 3, new int[] {0}, 1, 2);
            batch.addSequence(new int[] {1, 2, 0, 5}, 2, 2, new int[] {1}, 1, 0);
            Tensor x = backend.allocate(DType.F32, 8, 32);
            backend.kernels().embed(x, weight, batch, 2);
            backend.kernels().addPositions(x, weight, batch, 1);
            int[] ids = {7, 3, 10, 0, 5};
            int[] positions = {0, 1, 2, 2, 3};
            float[] all = Floats.values(x);
            for (int t = 0; t < 5; t++) {
                for (int i = 0; i < 32; i++) {
                    float expected = 2 * table[ids[t] * 32 + i] + table[(positions[t] + 1) * 32 + i];
                    assertThat(all[t * 32 + i]).isEqualTo(expected);
                }
            }
            Tensor gathered = backend.allocate(DType.F32, 8, 32);
            backend.kernels().gatherLogitRows(gathered, x, batch);
            float[] rows = new float[3 * 32];
            backend.read(gathered, 0, 3, rows);
            Floats.assertSameBits(rows, Arrays.copyOfRange(all, 2 * 32, 5 * 32));
            assertThatThrownBy(() -> backend.kernels().addPositions(x, weight, batch, 8))
                    .hasMessageContaining("position");
        }
    }

    @ParameterizedTest
    @CsvSource({"true,true", "true,false", "false,false"})
    void expertsAgreeWithTheOracleInAnyBatch(boolean softmaxFirst, boolean renormalize) {
        MoeShape shape = new MoeShape(7, 3, 24, softmaxFirst, renormalize, Activation.SILU);
        int rows = 3 * VectorMoe.ROWS + 13; // more than an expert takes at a time
        int hidden = 40;
        float[] x = Floats.random(new Random(8), rows * hidden, 1);
        float[] logits = Floats.random(new Random(9), rows * 7, 2);
        float[] oracle = moe(CpuOptions.Provider.SCALAR, shape, x, logits, rows, hidden);
        float[] vector = moe(CpuOptions.Provider.VECTOR, shape, x, logits, rows, hidden);
        Floats.assertClose(vector, oracle, 2e-5);
        for (int r = 0; r < rows; r += 29) {
            float[] alone = moe(
                    CpuOptions.Provider.VECTOR,
                    shape,
                    Arrays.copyOfRange(x, r * hidden, (r + 1) * hidden),
                    Arrays.copyOfRange(logits, r * 7, (r + 1) * 7),
                    1,
                    hidden);
            Floats.assertSameBits(alone, Arrays.copyOfRange(vector, r * hidden, (r + 1) * hidden));
        }
    }

    private static float[] moe(
            CpuOptions.Provider provider, MoeShape shape, float[] x, float[] logits, int rows, int hidden) {
        try (CpuBackend backend = open(provider, 2)) {
            MoeWeights weights = weights(backend, shape, hidden);
            Tensor out = backend.allocate(DType.F32, rows, hidden);
            Tensor router = Floats.tensor(backend, logits, rows, shape.experts());
            Tensor input = Floats.tensor(backend, x, rows, hidden);
            backend.kernels().moe(out, input, router, weights, shape, rows);
            return Floats.values(out);
        }
    }

    private static MoeWeights weights(CpuBackend backend, MoeShape shape, int hidden) {
        Random random = new Random(10);
        int inner = shape.intermediate();
        List<Linear> gateUp = new ArrayList<>();
        List<Linear> down = new ArrayList<>();
        for (int e = 0; e < shape.experts(); e++) {
            float[] up = Floats.random(random, 2 * inner * hidden, 0.3f);
            gateUp.add(backend.linear(List.of(matrix(backend, up, 2L * inner, hidden)), null));
            float[] back = Floats.random(random, hidden * inner, 0.3f);
            down.add(backend.linear(List.of(matrix(backend, back, hidden, inner)), null));
        }
        return new MoeWeights(gateUp, down);
    }

    /** Steps of growing size on the way to a full batch: what earlier ones needed must not stay allocated beside it. */
    @Test
    void expertsNeedNoMoreMemoryForLargerSteps() {
        MoeShape shape = new MoeShape(2, 1, 24, true, true, Activation.SILU);
        int hidden = 40;
        List<Long> allocated = new ArrayList<>();
        try (CpuBackend backend = open(CpuOptions.Provider.VECTOR, 1);
                CountingArena counting = new CountingArena()) {
            CpuPool pool = new CpuPool(1);
            VectorMoe moe = new VectorMoe(pool, new VectorPointwise(pool), counting);
            MoeWeights weights = weights(backend, shape, hidden);
            for (int rows = 1; rows <= 1024; rows *= 4) {
                MemorySegment out = ((HostTensor) backend.allocate(DType.F32, rows, hidden)).data();
                HostTensor x = matrix(backend, Floats.random(new Random(8), rows * hidden, 1), rows, hidden);
                HostTensor logits = matrix(backend, Floats.random(new Random(9), rows * 2, 2), rows, 2);
                moe.run(out, x.data(), logits.data(), weights, shape, rows, hidden);
                allocated.add(counting.bytes);
            }
            pool.close();
            assertThat(allocated)
                    .containsOnly(backend.stepBytes(new StepSizes(1024, 1, 1, 1, 1, hidden, List.of(), shape, 1)));
        }
    }

    /** An arena that counts what is asked of it. */
    private static final class CountingArena implements Arena {
        private final Arena arena = Arena.ofShared();
        private long bytes;

        @Override
        public MemorySegment allocate(long byteSize, long byteAlignment) {
            bytes += byteSize;
            return arena.allocate(byteSize, byteAlignment);
        }

        @Override
        public MemorySegment.Scope scope() {
            return arena.scope();
        }

        @Override
        public void close() {
            arena.close();
        }
    }

    /** What a block is said to take is what the cache takes, whatever padding the head's width asks for. */
    @ParameterizedTest
    @ValueSource(ints = {16, 64, 80, 128})
    void statesTheBytesOfItsBlocks(int headDim) {
        KvLayout layout = new KvLayout(3, 2, headDim, 16, DType.F32);
        try (CpuBackend backend = open(CpuOptions.Provider.VECTOR, 1)) {
            CpuKvCache cache = (CpuKvCache) backend.kvCache(layout, 5);
            assertThat(5 * backend.kvBlockBytes(layout)).isEqualTo(cache.data().byteSize());
            assertThat(backend.kvBlockBytes(layout)).isGreaterThanOrEqualTo(layout.bytesPerBlock());
        }
    }

    @ParameterizedTest
    @EnumSource(CpuOptions.Provider.class)
    void uploadsAndRefuses(CpuOptions.Provider provider) {
        try (CpuBackend backend = open(provider, 1)) {
            float[] values = Floats.random(new Random(4), 40_000, 1);
            HostTensor source = halves(backend, values, 40_000);
            Floats.assertSameBits(Floats.values(backend.upload(source)), values);
            MemorySegment large = ((HostTensor) backend.allocate(DType.F32, 1 << 20)).data();
            assertThat(large.address() % 64).isZero();
            assertThat(large.get(ValueLayout.JAVA_FLOAT, (4L << 20) - 4)).isZero();
            assertThat(backend.freeMemory()).isPositive();
            assertThat(backend.description()).startsWith("cpu: ").endsWith("1 thread");
            assertThatThrownBy(() -> backend.linear(List.of(), null)).hasMessageContaining("at least one part");
            assertThatThrownBy(() -> backend.linear(List.of(source), null)).hasMessageContaining("matrices");
            assertThatThrownBy(() -> backend.kvCache(new KvLayout(1, 1, 8, 16, DType.F16), 1))
                    .hasMessageContaining("keeps F32");
            assertThatThrownBy(() -> backend.upload((HostTensor) backend.allocate(DType.I32, 4)))
                    .hasMessageContaining("cannot upload");
        }
    }
}
