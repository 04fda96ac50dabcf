package dev.apus.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/** Random tensors and comparisons for kernel tests. */
final class Floats {
    private Floats() {}

    static float[] random(Random random, int count, float scale) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian() * scale;
        }
        return values;
    }

    static Tensor tensor(Backend backend, float[] values, long... shape) {
        HostTensor tensor = (HostTensor) backend.allocate(DType.F32, shape);
        MemorySegment.copy(values, 0, tensor.data(), ValueLayout.JAVA_FLOAT, 0, values.length);
        return tensor;
    }

    static float[] values(Tensor tensor) {
        return ((HostTensor) tensor).data().toArray(ValueLayout.JAVA_FLOAT);
    }

    static void assertClose(float[] actual, float[] expected, double tolerance) {
        assertThat(actual.length).isEqualTo(expected.length);
        for (int i = 0; i < actual.length; i++) {
            double allowed = tolerance * Math.max(1, Math.abs(expected[i]));
            // Written so that a NaN fails.
            if (!(Math.abs(actual[i] - expected[i]) <= allowed)) {
                assertThat(actual[i]).as("element %d of %d", i, actual.length).isEqualTo(expected[i]);
            }
        }
    }

    static void assertSameBits(float[] actual, float[] expected) {
        assertThat(actual.length).isEqualTo(expected.length);
        for (int i = 0; i < actual.length; i++) {
            if (Float.floatToRawIntBits(actual[i]) != Float.floatToRawIntBits(expected[i])) {
                assertThat(actual[i])
                        .as("bits of element %d of %d", i, actual.length)
                        .isEqualTo(expected[i]);
            }
        }
    }
}
