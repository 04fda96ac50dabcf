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
final class ScalarLinear implements CpuLinear, CpuPool.Task {
    private record Part(DType type, MemorySegment data, int firstRow) {}

    private final List<Part> parts;
    private final float @Nullable [] bias;
    private final int outFeatures;
    private final int inFeatures;
    private final long bytes;

    private float[][] scratch = new float[0][];
    private MemorySegment out = MemorySegment.NULL;
    private MemorySegment x = MemorySegment.NULL;
    private long outOffset;
    private long xOffset;
    private int outStride;
    private int xStride;
    private int rows;
    private boolean accumulate;

    /** Copies the parts and the bias, which {@link CpuBackend#linear} has checked. */
    ScalarLinear(List<HostTensor> sources, @Nullable HostTensor biasSource, Arena arena) {
        inFeatures = Math.toIntExact(sources.getFirst().dim(1));
        int row = 0;
        long total = 0;
        Part[] copies = new Part[sources.size()];
        for (int i = 0; i < copies.length; i++) {
            HostTensor source = sources.get(i);
            MemorySegment copy = NativeMemory.allocate(arena, source.data().byteSize());
            copy.copyFrom(source.data());
            copies[i] = new Part(source.dtype(), copy, row);
            row += Math.toIntExact(source.dim(0));
            total += copy.byteSize();
        }
        parts = List.of(copies);
        outFeatures = row;
        bytes = total;
        bias = biasSource == null ? null : biasSource.data().toArray(ValueLayout.JAVA_FLOAT);
    }

    @Override
    public int outFeatures() {
        return outFeatures;
    }

    @Override
    public int inFeatures() {
        return inFeatures;
    }

    @Override
    public long byteSize() {
        return bytes + (bias == null ? 0 : 4L * bias.length);
    }

    @Override
    public void row(int index, MemorySegment target, long offset) {
        float[] values = scratch(1)[0];
        readRow(index, values);
        MemorySegment.copy(values, 0, target, ValueLayout.JAVA_FLOAT, offset, inFeatures);
    }

    private void readRow(int index, float[] values) {
        int p = parts.size() - 1;
        while (parts.get(p).firstRow > index) {
            p--;
        }
        Part part = parts.get(p);
        long at = (index - part.firstRow) * part.type.byteSize(inFeatures);
        Dequantizer.dequantize(part.type, part.data, at, values, 0, inFeatures);
    }

    private float[][] scratch(int threads) {
        if (scratch.length < threads) {
            scratch = new float[threads][inFeatures];
        }
        return scratch;
    }

    @Override
    public void multiply(
            MemorySegment out,
            long outOffset,
            int outStride,
            MemorySegment x,
            long xOffset,
            int xStride,
            int rows,
            boolean accumulate,
            CpuPool pool) {
        this.out = out;
        this.outOffset = outOffset;
        this.outStride = outStride;
        this.x = x;
        this.xOffset = xOffset;
        this.xStride = xStride;
        this.rows = rows;
        this.accumulate = accumulate;
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
            float added = bias == null ? 0 : bias[o];
            for (int r = 0; r < rows; r++) {
                float y = dot(weights, x, xOffset + 4L * r * xStride, inFeatures) + added;
                long at = outOffset + 4 * ((long) r * outStride + o);
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
