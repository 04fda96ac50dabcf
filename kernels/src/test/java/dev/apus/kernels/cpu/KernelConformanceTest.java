package dev.apus.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.Activation;
import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.Kernels;
import dev.apus.kernels.Tensor;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Random;
import jdk.incubator.vector.FloatVector;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.FloatRange;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.jspecify.annotations.Nullable;

/** Every row-wise kernel of the vector provider against the oracle, over odd widths, and its rows alone against rows in company. */
class KernelConformanceTest {
    private static @Nullable CpuBackend scalar;
    private static @Nullable CpuBackend vector;

    @BeforeContainer
    static void open() {
        scalar = CpuBackend.create(new CpuOptions(CpuOptions.Provider.SCALAR, 1));
        vector = CpuBackend.create(new CpuOptions(CpuOptions.Provider.VECTOR, 3));
    }

    @AfterContainer
    static void close() {
        Operands.present(scalar).close();
        Operands.present(vector).close();
    }

    /** A kernel on matrices of one width; the first is the result. */
    private interface Kernel {
        void run(Backend backend, Kernels kernels, Tensor x, Tensor y, Tensor weight, Tensor bias, int rows);
    }

    private static float[] run(@Nullable CpuBackend target, Kernel kernel, float[][] inputs, int rows, int width) {
        Backend backend = Operands.present(target);
        Tensor x = Floats.tensor(backend, inputs[0], rows, width);
        Tensor y = Floats.tensor(backend, inputs[1], rows, width);
        Tensor weight = Floats.tensor(backend, inputs[2], width);
        Tensor bias = Floats.tensor(backend, inputs[3], width);
        kernel.run(backend, backend.kernels(), x, y, weight, bias, rows);
        float[] both = Arrays.copyOf(Floats.values(x), 2 * rows * width);
        System.arraycopy(Floats.values(y), 0, both, rows * width, rows * width);
        return both;
    }

    private static void check(Kernel kernel, int rows, int width, long seed, double tolerance) {
        Random random = new Random(seed);
        float[][] inputs = {
            Floats.random(random, rows * width, 3),
            Floats.random(random, rows * width, 1),
            Floats.random(random, width, 1),
            Floats.random(random, width, 1)
        };
        float[] expected = run(scalar, kernel, inputs, rows, width);
        float[] actual = run(vector, kernel, inputs, rows, width);
        Floats.assertClose(actual, expected, tolerance);
        int row = random.nextInt(rows);
        float[][] alone = inputs.clone();
        for (int i = 0; i < 2; i++) {
            alone[i] = Arrays.copyOfRange(inputs[i], row * width, (row + 1) * width);
        }
        float[] single = run(vector, kernel, alone, 1, width);
        float[] same = Arrays.copyOf(Arrays.copyOfRange(actual, row * width, (row + 1) * width), 2 * width);
        System.arraycopy(actual, (rows + row) * width, same, width, width);
        Floats.assertSameBits(single, same);
    }

    @Property(tries = 60)
    void rmsNorm(@ForAll @IntRange(min = 1, max = 40) int rows, @ForAll @IntRange(min = 1, max = 700) int width) {
        check((b, k, x, y, w, bias, n) -> k.rmsNorm(y, x, w, 1e-5f, n), rows, width, rows + 41L * width, 1e-5);
        check((b, k, x, y, w, bias, n) -> k.rmsNorm(x, x, w, 1e-6f, n), rows, width, rows + 43L * width, 1e-5);
        check((b, k, x, y, w, bias, n) -> k.addRmsNorm(y, x, y, w, 1e-5f, n), rows, width, rows + 47L * width, 1e-5);
    }

    @Property(tries = 60)
    void layerNorm(@ForAll @IntRange(min = 1, max = 40) int rows, @ForAll @IntRange(min = 2, max = 700) int width) {
        check((b, k, x, y, w, bias, n) -> k.layerNorm(y, x, w, bias, 1e-5f, n), rows, width, rows + 53L * width, 2e-5);
        check((b, k, x, y, w, bias, n) -> k.layerNorm(y, x, w, null, 1e-5f, n), rows, width, rows + 59L * width, 2e-5);
    }

    @Property(tries = 60)
    void pointwise(
            @ForAll @IntRange(min = 1, max = 60) int rows,
            @ForAll @IntRange(min = 1, max = 700) int width,
            @ForAll @FloatRange(min = 0.1f, max = 60) float factor) {
        check((b, k, x, y, w, bias, n) -> k.add(x, y, n), rows, width, rows + 61L * width, 0);
        check((b, k, x, y, w, bias, n) -> k.scale(x, factor, n), rows, width, rows + 67L * width, 0);
        check((b, k, x, y, w, bias, n) -> k.softCap(x, factor, n), rows, width, rows + 71L * width, 1e-6);
    }

    @Property(tries = 30)
    void rmsNormOfColumns(
            @ForAll @IntRange(min = 1, max = 150) int rows, @ForAll @IntRange(min = 3, max = 700) int width) {
        int from = width / 3;
        int count = width - from - width / 4;
        for (CpuBackend backend : new CpuBackend[] {Operands.present(scalar), Operands.present(vector)}) {
            Random random = new Random(rows + 83L * width);
            float[] values = Floats.random(random, rows * width, 3);
            float[] weights = Floats.random(random, count, 1);
            Tensor x = Floats.tensor(backend, values, rows, width);
            backend.kernels().rmsNormColumns(x, from, count, Floats.tensor(backend, weights, count), 1e-5f, rows);
            float[] expected = values.clone();
            for (int r = 0; r < rows; r++) {
                double squares = 0;
                for (int i = 0; i < count; i++) {
                    squares += (double) values[r * width + from + i] * values[r * width + from + i];
                }
                for (int i = 0; i < count; i++) {
                    expected[r * width + from + i] *= (float) (weights[i] / Math.sqrt(squares / count + 1e-5f));
                }
            }
            Floats.assertClose(Floats.values(x), expected, 2e-6);
        }
    }

    @Property(tries = 30)
    void addGated(@ForAll @IntRange(min = 1, max = 150) int rows, @ForAll @IntRange(min = 1, max = 700) int width) {
        for (CpuBackend backend : new CpuBackend[] {Operands.present(scalar), Operands.present(vector)}) {
            Random random = new Random(rows + 89L * width);
            float[] values = Floats.random(random, rows * width, 3);
            float[] added = Floats.random(random, rows * width, 3);
            float[] gates = Floats.random(random, rows, 4);
            Tensor x = Floats.tensor(backend, values, rows, width);
            backend.kernels()
                    .addGated(
                            x,
                            Floats.tensor(backend, added, rows, width),
                            Floats.tensor(backend, gates, rows, 1),
                            rows);
            float[] expected = values.clone();
            for (int i = 0; i < expected.length; i++) {
                expected[i] += (float) (added[i] / (1 + Math.exp(-gates[i / width])));
            }
            Floats.assertClose(Floats.values(x), expected, 1e-6);
        }
    }

    /** A provider that computes what the oracle computes, with its very code, is compared with itself. */
    @Property(tries = 1)
    void everyKernelOnActivationsIsTheProvidersOwn() {
        for (Method method : Kernels.class.getMethods()) {
            boolean copies = method.getName().matches("embed|addPositions|gatherLogitRows");
            boolean weights = method.getName().matches("linear|linearAdd|sample"); // CpuLinear's and CpuSampler's tests
            if (!copies && !weights) {
                assertThat(owner(ScalarKernels.class, method))
                        .as(method.getName())
                        .isEqualTo(ScalarKernels.class);
                assertThat(owner(VectorKernels.class, method))
                        .as(method.getName())
                        .isEqualTo(VectorKernels.class);
            }
        }
    }

    private static Class<?> owner(Class<?> provider, Method method) {
        try {
            return provider.getMethod(method.getName(), method.getParameterTypes())
                    .getDeclaringClass();
        } catch (NoSuchMethodException e) {
            throw new AssertionError(e);
        }
    }

    @Property(tries = 60)
    void activations(
            @ForAll @IntRange(min = 1, max = 60) int rows,
            @ForAll @IntRange(min = 1, max = 350) int half,
            @ForAll Activation activation) {
        check((b, k, x, y, w, bias, n) -> k.activation(x, activation, n), rows, half, rows + 73L * half, 1e-6);
        check(
                (b, k, x, y, w, bias, n) -> {
                    Tensor gated = b.allocate(DType.F32, n, half);
                    k.gatedActivation(gated, x, activation, n);
                    // The result goes where the check looks for it: into the left half of y.
                    Tensor wide = Floats.tensor(b, spread(Floats.values(gated), n, half), n, 2L * half);
                    k.scale(y, 0, n);
                    k.add(y, wide, n);
                },
                rows,
                2 * half,
                rows + 79L * half,
                5e-6);
    }

    private static float[] spread(float[] values, int rows, int half) {
        float[] wide = new float[rows * 2 * half];
        for (int r = 0; r < rows; r++) {
            System.arraycopy(values, r * half, wide, r * 2 * half, half);
        }
        return wide;
    }

    @Property(tries = 1)
    void refusesOperandsThatDoNotFit() {
        Backend backend = Operands.present(vector);
        Tensor x = backend.allocate(DType.F32, 4, 8);
        Tensor narrow = backend.allocate(DType.F32, 4, 7);
        assertThatThrownBy(() -> backend.kernels().add(x, narrow, 4)).hasMessageContaining("rows of 8 values");
        assertThatThrownBy(() -> backend.kernels().scale(x, 2, 5)).hasMessageContaining("at least 5 rows");
        assertThatThrownBy(() -> backend.kernels().scale(backend.allocate(DType.F16, 4, 8), 2, 4))
                .hasMessageContaining("F32 is needed");
        assertThatThrownBy(() -> backend.kernels().rmsNormColumns(x, 4, 5, backend.allocate(DType.F32, 5), 1e-5f, 4))
                .hasMessageContaining("columns 4 to 9 of x, which has 8");
        assertThat(backend.description()).contains("vector kernels").contains("3 threads");
    }

    @Property(tries = 200)
    void exponentialsAreAccurate(@ForAll @FloatRange(min = -100, max = 90) float x) {
        float actual =
                VectorMath.exp(FloatVector.broadcast(VectorMath.SPECIES, x)).lane(0);
        double expected = x < -87 ? 0 : Math.exp(x);
        if (x > 88.72f) {
            assertThat(actual).isGreaterThan(3.39e38f).isFinite();
        } else {
            assertThat((double) actual).isBetween(expected * (1 - 3e-7), expected * (1 + 3e-7));
        }
    }

    @Property(tries = 200)
    void tanhAndErfcAreAccurate(@ForAll @FloatRange(min = -9, max = 9) float x) {
        FloatVector v = FloatVector.broadcast(VectorMath.SPECIES, x);
        assertThat((double) VectorMath.tanh(v).lane(0)).isBetween(Math.tanh(x) - 2e-7, Math.tanh(x) + 2e-7);
        double erfc = 1 - ScalarMath.erf(Math.abs(x));
        assertThat((double) VectorMath.erfc(v.abs()).lane(0)).isBetween(erfc - 4e-7, erfc + 4e-7);
    }
}
