package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.SPECIES;
import static dev.apus.kernels.cpu.VectorMath.load;
import static dev.apus.kernels.cpu.VectorMath.store;
import static dev.apus.kernels.cpu.VectorMath.zero;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import org.jspecify.annotations.Nullable;

/** RMS and layer norms of rows, with or without an addition before. Rows end in one masked vector where the width asks for it. */
final class VectorNorm implements CpuPool.Task {
    /** Elements below which one thread is done before another has woken. */
    private static final int GRAIN = 16_384;

    private final CpuPool pool;
    private MemorySegment out = MemorySegment.NULL;
    private MemorySegment x = MemorySegment.NULL;
    private MemorySegment weight = MemorySegment.NULL;
    private @Nullable MemorySegment delta;
    private @Nullable MemorySegment bias;
    private boolean centred;
    private float eps;
    private int rows;
    private int width;
    /** First column and elements between rows of {@code x} and {@code out}. */
    private int from;

    private int stride;
    private VectorMask<Float> tail = SPECIES.maskAll(false);

    VectorNorm(CpuPool pool) {
        this.pool = pool;
    }

    /** {@code x += delta} where delta is given, then {@code out = rmsNorm(x)}. */
    void rms(
            MemorySegment out,
            MemorySegment x,
            @Nullable MemorySegment delta,
            MemorySegment weight,
            float eps,
            int rows,
            int width) {
        this.delta = delta;
        bias = null;
        centred = false;
        from = 0;
        stride = width;
        start(out, x, weight, eps, rows, width);
    }

    /** {@code x[r, from..from+width) = rmsNorm(x[r, from..from+width))} in rows of {@code stride} elements. */
    void rmsColumns(MemorySegment x, int from, int stride, MemorySegment weight, float eps, int rows, int width) {
        delta = null;
        bias = null;
        centred = false;
        this.from = from;
        this.stride = stride;
        start(x, x, weight, eps, rows, width);
    }

    /** {@code out = layerNorm(x)}. */
    void layer(
            MemorySegment out,
            MemorySegment x,
            MemorySegment weight,
            @Nullable MemorySegment bias,
            float eps,
            int rows,
            int width) {
        delta = null;
        this.bias = bias;
        centred = true;
        from = 0;
        stride = width;
        start(out, x, weight, eps, rows, width);
    }

    private void start(MemorySegment out, MemorySegment x, MemorySegment weight, float eps, int rows, int width) {
        this.out = out;
        this.x = x;
        this.weight = weight;
        this.eps = eps;
        this.rows = rows;
        this.width = width;
        tail = SPECIES.indexInRange(SPECIES.loopBound(width), width);
        pool.run(this, pool.parts((long) rows * width, GRAIN));
    }

    @Override
    public void run(int part, int parts, int thread) {
        int end = CpuPool.start(part + 1, parts, rows, 1);
        for (int r = CpuPool.start(part, parts, rows, 1); r < end; r++) {
            long at = 4 * ((long) r * stride + from);
            if (delta != null) {
                VectorPointwise.addRow(x, delta, at, width, tail);
            }
            float mean = centred ? sumRow(x, at, width, tail) / width : 0;
            float squares = squaresRow(x, at, width, mean, tail);
            float factor = (float) (1 / Math.sqrt(squares / width + eps));
            scaleRow(out, x, weight, at, width, mean, factor, tail);
            if (bias != null) {
                addBias(out, bias, at, width, tail);
            }
        }
    }

    private static void addBias(MemorySegment out, MemorySegment bias, long at, int width, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            store(load(out, at + 4L * i).add(load(bias, 4L * i)), out, at + 4L * i);
        }
        if (bound < width) {
            long last = at + 4L * bound;
            store(load(out, last, tail).add(load(bias, 4L * bound, tail)), out, last, tail);
        }
    }

    private static float sumRow(MemorySegment x, long at, int width, VectorMask<Float> tail) {
        FloatVector sum = zero();
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            sum = sum.add(load(x, at + 4L * i));
        }
        if (bound < width) {
            sum = sum.add(load(x, at + 4L * bound, tail));
        }
        return VectorMath.sum(sum);
    }

    /** Sum of (x - mean)^2. */
    private static float squaresRow(MemorySegment x, long at, int width, float mean, VectorMask<Float> tail) {
        FloatVector sum = zero();
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            FloatVector value = load(x, at + 4L * i).sub(mean);
            sum = value.fma(value, sum);
        }
        if (bound < width) {
            FloatVector value = zero().blend(load(x, at + 4L * bound, tail).sub(mean), tail);
            sum = value.fma(value, sum);
        }
        return VectorMath.sum(sum);
    }

    private static void scaleRow(
            MemorySegment out,
            MemorySegment x,
            MemorySegment weight,
            long at,
            int width,
            float mean,
            float factor,
            VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            FloatVector scaled = load(x, at + 4L * i).sub(mean).mul(factor);
            store(scaled.mul(load(weight, 4L * i)), out, at + 4L * i);
        }
        if (bound < width) {
            long last = at + 4L * bound;
            FloatVector scaled = load(x, last, tail).sub(mean).mul(factor);
            store(scaled.mul(load(weight, 4L * bound, tail)), out, last, tail);
        }
    }
}
