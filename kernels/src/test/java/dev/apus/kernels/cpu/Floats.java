package dev.apus.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Tensor;
import dev.apus.kernels.cuda.CudaBackend;
import dev.apus.kernels.cuda.CudaTensors;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/** Random tensors and comparisons for kernel tests. */
public final class Floats {
    private Floats() {}

    public static float[] random(Random random, int count, float scale) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian() * scale;
        }
        return values;
    }

    /** An F32 tensor: norm weights, tables, logits. */
    public static Tensor tensor(Backend backend, float[] values, long... shape) {
        if (backend instanceof CudaBackend cuda) {
            return CudaTensors.of(cuda, DType.F32, values, shape);
        }
        HostTensor tensor = (HostTensor) backend.allocate(DType.F32, shape);
        MemorySegment.copy(values, 0, tensor.data(), ValueLayout.JAVA_FLOAT, 0, values.length);
        return tensor;
    }

    /** Activations, of the backend's type. */
    public static Tensor activations(Backend backend, float[] values, long... shape) {
        return backend instanceof CudaBackend cuda
                ? CudaTensors.of(cuda, cuda.activationType(), values, shape)
                : tensor(backend, values, shape);
    }

    public static float[] values(Backend backend, Tensor tensor) {
        return backend instanceof CudaBackend cuda ? CudaTensors.values(cuda, tensor) : values(tensor);
    }

    public static float[] values(Tensor tensor) {
        return ((HostTensor) tensor).data().toArray(ValueLayout.JAVA_FLOAT);
    }

    public static void assertClose(float[] actual, float[] expected, double tolerance) {
        assertThat(actual.length).isEqualTo(expected.length);
        for (int i = 0; i < actual.length; i++) {
            double allowed = tolerance * Math.max(1, Math.abs(expected[i]));
            // Written so that a NaN fails.
            if (!(Math.abs(actual[i] - expected[i]) <= allowed)) {
                assertThat(actual[i]).as("element %d of %d", i, actual.length).isEqualTo(expected[i]);
            }
        }
    }

    /** That values are close as a whole: the norm of the difference against that of what is expected. NaN fails. */
    public static void assertCloseTogether(float[] actual, float[] expected, double tolerance) {
        assertThat(actual.length).isEqualTo(expected.length);
        double difference = 0;
        double size = 1e-30;
        for (int i = 0; i < actual.length; i++) {
            difference += Math.pow((double) actual[i] - expected[i], 2);
            size += Math.pow(expected[i], 2);
        }
        assertThat(Math.sqrt(difference / size)).isLessThanOrEqualTo(tolerance);
    }

    public static void assertSameBits(float[] actual, float[] expected) {
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
