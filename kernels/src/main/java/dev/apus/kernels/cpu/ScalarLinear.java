package dev.apus.kernels.cpu;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.quant.Dequantizer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer kept in its stored format: each weight row is dequantised and multiplied with every row of x, in float, in order.
 *
 * <p>Driven by one thread at a time.
 */
final class ScalarLinear extends StackedLinear {
    private record Part(DType type, MemorySegment data) {}

    private final List<Part> parts;
    private final long bytes;

    private float[][] scratch = new float[0][];

    /** Copies the parts and the bias, which {@link CpuBackend#linear} has checked. */
    ScalarLinear(List<HostTensor> sources, @Nullable HostTensor biasSource, Arena arena) {
        super(sources, biasSource, arena);
        long total = 0;
        Part[] copies = new Part[sources.size()];
        for (int i = 0; i < copies.length; i++) {
            HostTensor source = sources.get(i);
            MemorySegment copy = NativeMemory.allocate(arena, source.data().byteSize());
            copy.copyFrom(source.data());
            copies[i] = new Part(source.dtype(), copy);
            total += copy.byteSize();
        }
        parts = List.of(copies);
        bytes = total;
    }

    @Override
    long weightBytes() {
        return bytes;
    }

    @Override
    public void row(int index, MemorySegment target, long offset) {
        float[] values = scratch(1)[0];
        readRow(index, values);
        MemorySegment.copy(values, 0, target, ValueLayout.JAVA_FLOAT, offset, inFeatures);
    }

    private void readRow(int index, float[] values) {
        int p = partOf(index);
        Part part = parts.get(p);
        long at = (index - firstOutput[p]) * part.type.byteSize(inFeatures);
        Dequantizer.dequantize(part.type, part.data, at, values, 0, inFeatures);
    }

    private float[][] scratch(int threads) {
        if (scratch.length < threads) {
            scratch = new float[threads][inFeatures];
        }
        return scratch;
    }

    @Override
    void start(CpuPool pool) {
        scratch(pool.threads());
        // A part below some thousand products costs less than waking a thread.
        long grain = 1 + 8192 / Math.max(1L, (long) rows * inFeatures);
        pool.run(this, pool.parts(outFeatures, grain));
    }

    @Override
    public void run(int part, int partCount, int thread) {
        float[] weights = Objects.requireNonNull(scratch[thread]);
        int end = CpuPool.start(part + 1, partCount, outFeatures, 1);
        for (int o = CpuPool.start(part, partCount, outFeatures, 1); o < end; o++) {
            readRow(o, weights);
            float added = bias.byteSize() == 0 ? 0 : bias.getAtIndex(ValueLayout.JAVA_FLOAT, o);
            for (int r = 0; r < rows; r++) {
                float y = dot(weights, x, 4L * r * inFeatures, inFeatures) + added;
                long at = 4 * ((long) r * outFeatures + o);
                out.set(ValueLayout.JAVA_FLOAT, at, accumulate ? out.get(ValueLayout.JAVA_FLOAT, at) + y : y);
            }
        }
    }

    private static float dot(float[] weights, MemorySegment x, long offset, int n) {
        float sum = 0;
        for (int i = 0; i < n; i++) {
            sum += weights[i] * x.get(ValueLayout.JAVA_FLOAT, offset + 4L * i);
        }
        return sum;
    }
}
