package dev.apus.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.quant.Dequantizer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Repacked linear layers of every format: against sums of the dequantised weights, and each row's bits in batches of every size. */
class VectorLinearTest {
    private static CpuBackend open(int threads) {
        return CpuBackend.create(new CpuOptions(CpuOptions.Provider.VECTOR, threads));
    }

    /** Random stored weights: random codes under scales of the size that checkpoints have. */
    private static HostTensor weights(CpuBackend backend, DType type, int rows, int in, Random random) {
        HostTensor tensor = (HostTensor) backend.allocate(type, rows, in);
        MemorySegment data = tensor.data();
        byte[] bytes = new byte[(int) data.byteSize()];
        random.nextBytes(bytes);
        MemorySegment.copy(bytes, 0, data, ValueLayout.JAVA_BYTE, 0, bytes.length);
        int elements = type.isBlocked() ? bytes.length / type.blockBytes() : rows * in;
        for (int i = 0; i < elements; i++) {
            float value = (float) random.nextGaussian() * 0.03f;
            long at = (long) i * type.blockBytes();
            switch (type) {
                case F32 -> data.set(ValueLayout.JAVA_FLOAT, at, value);
                case F16 -> data.set(ValueLayout.JAVA_SHORT, at, Float.floatToFloat16(value));
                case BF16 -> data.set(ValueLayout.JAVA_SHORT, at, (short) (Float.floatToRawIntBits(value) >>> 16));
                case Q2_K -> halves(data, at + 80, 0.01f * value, -0.02f * value);
                case Q3_K -> halves(data, at + 108, 0.01f * value);
                case Q6_K -> halves(data, at + 208, 0.001f * value);
                case Q4_1, Q5_1 -> halves(data, at, value, -8 * value);
                case Q4_K, Q5_K -> halves(data, at, 0.01f * value, 0.08f * value);
                default -> halves(data, at, 0.1f * value);
            }
        }
        return tensor;
    }

    private static void halves(MemorySegment data, long at, float... values) {
        for (int i = 0; i < values.length; i++) {
            data.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 2L * i, Float.floatToFloat16(values[i]));
        }
    }

    private static float[] dequantized(HostTensor weights) {
        float[] values = new float[(int) weights.elements()];
        Dequantizer.dequantize(weights.dtype(), weights.data(), 0, values, 0, values.length);
        return values;
    }

    /** Rows of x times the layer; what lies behind the rows must stay, and what lies behind x must not be read. */
    private static float[] product(
            CpuBackend backend, CpuPool pool, CpuLinear linear, float[] x, int firstRow, int rows, boolean accumulate) {
        int in = linear.inFeatures();
        int out = linear.outFeatures();
        float[] input = Arrays.copyOf(Arrays.copyOfRange(x, firstRow * in, (firstRow + rows) * in), rows * in + 99);
        Arrays.fill(input, rows * in, input.length, Float.NaN);
        float[] before = new float[rows * out + 99];
        Arrays.fill(before, 0.25f);
        MemorySegment target = ((HostTensor) Floats.tensor(backend, before, before.length)).data();
        MemorySegment source = ((HostTensor) Floats.tensor(backend, input, input.length)).data();
        linear.multiply(target, source, rows, accumulate, pool);
        float[] after = target.toArray(ValueLayout.JAVA_FLOAT);
        for (int i = rows * out; i < after.length; i++) {
            assertThat(after[i]).isEqualTo(0.25f);
        }
        return Arrays.copyOf(after, rows * out);
    }

    /**
     * Against sums in double. A float sum of n terms errs by their rounded magnitudes, however small what is left after they cancel, so
     * that is what the tolerance is relative to.
     */
    private static void assertProducts(float[] actual, float[] weights, float[] bias, float[] x, int rows, int in) {
        int out = weights.length / in;
        for (int r = 0; r < rows; r++) {
            for (int o = 0; o < out; o++) {
                double sum = bias[o];
                double magnitude = Math.abs(sum);
                for (int i = 0; i < in; i++) {
                    double term = (double) x[r * in + i] * weights[o * in + i];
                    sum += term;
                    magnitude += Math.abs(term);
                }
                assertThat((double) actual[r * out + o])
                        .as("row %d, output %d", r, o)
                        .isCloseTo(sum, within(5e-7 * magnitude + 1e-12));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            names = {
                "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
                "IQ4_NL", "IQ4_XS"
            })
    void rowsHaveTheSameBitsInAnyBatch(DType type) {
        Random random = new Random(type.blockBytes());
        // More than one step of inputs, an odd number of panels, a last panel that is not full, two formats in one
        // layer.
        int in = 1024;
        int outA = 77;
        int outB = 35;
        int out = outA + outB;
        int[] batches = {1, 2, 3, 4, 5, 8, 9, 13, 70};
        float[] x = Floats.random(random, 70 * in, 1);
        float[] bias = Floats.random(random, out, 1);
        try (CpuBackend backend = open(2);
                CpuPool one = new CpuPool(1);
                CpuPool two = new CpuPool(2)) {
            HostTensor first = weights(backend, type, outA, in, random);
            HostTensor second = weights(backend, DType.Q8_0, outB, in, random);
            HostTensor biasTensor = (HostTensor) Floats.tensor(backend, bias, out);
            CpuLinear linear = (CpuLinear) backend.linear(List.of(first, second), biasTensor);
            assertThat(linear.outFeatures()).isEqualTo(out);
            assertThat(linear.byteSize()).isGreaterThan(4L * out);
            float[] weights = Arrays.copyOf(dequantized(first), out * in);
            System.arraycopy(dequantized(second), 0, weights, outA * in, outB * in);
            float[] all = product(backend, two, linear, x, 0, 70, false);
            assertProducts(all, weights, bias, x, 70, in);
            for (int batch : batches) {
                int firstRow = random.nextInt(71 - batch);
                float[] some = product(backend, one, linear, x, firstRow, batch, false);
                Floats.assertSameBits(some, Arrays.copyOfRange(all, firstRow * out, (firstRow + batch) * out));
                float[] added = product(backend, two, linear, x, firstRow, batch, true);
                for (int i = 0; i < some.length; i++) {
                    some[i] += 0.25f;
                }
                Floats.assertSameBits(added, some);
            }
            checkRows(linear, weights, in);
        }
    }

    private static void checkRows(CpuLinear linear, float[] weights, int in) {
        float[] row = new float[in];
        for (int o = 0; o < linear.outFeatures(); o += 17) {
            linear.row(o, MemorySegment.ofArray(row), 0);
            for (int i = 0; i < in; i++) {
                // Offsets far below their scale may cost the last bit of a folded offset.
                assertThat(Math.abs(row[i] - weights[o * in + i])).isLessThan(1e-7f);
            }
        }
    }

    /** The plan of a model's memory counts on it: part by part, with both providers, whole and ragged panels, odd widths. */
    @ParameterizedTest
    @EnumSource(
            names = {
                "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
                "IQ4_NL", "IQ4_XS"
            })
    void takesTheBytesThatWerePlanned(DType type) {
        int[] widths = type.isBlocked() ? new int[] {1, 3} : new int[] {1, 2, 33, 130};
        for (CpuOptions.Provider provider : List.of(CpuOptions.Provider.SCALAR, CpuOptions.Provider.VECTOR)) {
            try (CpuBackend backend = CpuBackend.create(new CpuOptions(provider, 1))) {
                for (int width : widths) {
                    int in = width * type.blockSize();
                    for (int out : new int[] {0, 1, 31, 32, 33, 96}) {
                        HostTensor first = weights(backend, type, out, in, new Random(out));
                        HostTensor second = weights(backend, DType.F32, 5, in, new Random(in));
                        HostTensor bias = (HostTensor) backend.allocate(DType.F32, out + 5);
                        long planned = backend.linearBytes(type, out, in) + backend.linearBytes(DType.F32, 5, in);
                        assertThat(backend.linear(List.of(first, second), bias).byteSize())
                                .as("%s [%d, %d] with %s kernels", type, out, in, provider)
                                .isEqualTo(planned + 4L * (out + 5));
                    }
                }
            }
        }
    }

    /** What repacking costs, as docs and sizing tables have it. */
    @Test
    void repackedFormatsGrowByTheseFactors() {
        try (CpuBackend backend = open(1)) {
            DType[] types = {DType.Q8_0, DType.Q4_0, DType.Q4_K, DType.Q6_K, DType.Q2_K, DType.BF16};
            double[] factors = {36 / 34.0, 20 / 18.0, 192 / 144.0, 384 / 210.0, 256 / 84.0, 1};
            for (int i = 0; i < types.length; i++) {
                assertThat(backend.linearBytes(types[i], 64, 512) / (double) types[i].byteSize(64 * 512))
                        .as("%s", types[i])
                        .isEqualTo(factors[i]);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16"})
    void takesAnyWidth(DType type) {
        for (int in : new int[] {1, 7, 33, 130}) {
            for (int out : new int[] {1, 31, 64, 96}) {
                Random random = new Random(in * 100L + out);
                float[] x = Floats.random(random, 11 * in, 1);
                try (CpuBackend backend = open(3);
                        CpuPool pool = new CpuPool(3)) {
                    HostTensor weight = weights(backend, type, out, in, random);
                    CpuLinear linear = (CpuLinear) backend.linear(List.of(weight), null);
                    float[] all = product(backend, pool, linear, x, 0, 11, false);
                    assertProducts(all, dequantized(weight), new float[out], x, 11, in);
                    float[] alone = product(backend, pool, linear, x, 6, 1, false);
                    Floats.assertSameBits(alone, Arrays.copyOfRange(all, 6 * out, 7 * out));
                }
            }
        }
    }

    @Test
    void keepsInfinitiesAndScalesThatHalvesCannotHold() {
        try (CpuBackend backend = open(1);
                CpuPool pool = new CpuPool(1)) {
            HostTensor plain = weights(backend, DType.F16, 3, 8, new Random(1));
            plain.data().set(ValueLayout.JAVA_SHORT, 2 * 10, Float.floatToFloat16(Float.POSITIVE_INFINITY));
            CpuLinear linear = (CpuLinear) backend.linear(List.of(plain), null);
            float[] x = {1, 1, 1, 1, 1, 1, 1, 1};
            float[] y = product(backend, pool, linear, x, 0, 1, false);
            assertThat(y[1]).isEqualTo(Float.POSITIVE_INFINITY);
            assertThat(y[0]).isFinite();
            HostTensor large = weights(backend, DType.Q8_0, 2, 32, new Random(2));
            halves(large.data(), 0, 2000f);
            CpuLinear blocks = (CpuLinear) backend.linear(List.of(large), null);
            float[] values = dequantized(large);
            float[] row = new float[32];
            blocks.row(0, MemorySegment.ofArray(row), 0);
            Floats.assertSameBits(row, Arrays.copyOf(values, 32));
        }
    }
}
