package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.SPECIES;
import static dev.apus.kernels.cpu.VectorMath.load;
import static dev.apus.kernels.cpu.VectorMath.store;

import dev.apus.kernels.Activation;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * Elementwise kernels. A row always starts a vector and may end in a masked one, so an element's bits depend on its column only.
 */
final class VectorPointwise implements CpuPool.Task {
    /** What happens to an element. */
    private enum Operation {
        ADD,
        ADD_GATED,
        SCALE,
        SOFT_CAP,
        GATED,
        PLAIN
    }

    /** Elements of an addition or product below which one thread is done before another has woken. */
    private static final int LIGHT_GRAIN = 16_384;

    /** The same for exponentials. */
    private static final int HEAVY_GRAIN = 4_096;

    private final CpuPool pool;
    private Operation operation = Operation.ADD;
    private Activation activation = Activation.SILU;
    private MemorySegment out = MemorySegment.NULL;
    private MemorySegment in = MemorySegment.NULL;
    /** One gate a row of {@link Operation#ADD_GATED}. */
    private MemorySegment gates = MemorySegment.NULL;

    private float factor;
    private int rows;
    private int width;
    private VectorMask<Float> tail = SPECIES.maskAll(false);

    VectorPointwise(CpuPool pool) {
        this.pool = pool;
    }

    /** {@code x += delta}. */
    void add(MemorySegment x, MemorySegment delta, int rows, int width) {
        operation = Operation.ADD;
        start(x, delta, rows, width, LIGHT_GRAIN);
    }

    /** {@code x[r] += sigmoid(gate[r]) * delta[r]}. */
    void addGated(MemorySegment x, MemorySegment delta, MemorySegment gate, int rows, int width) {
        operation = Operation.ADD_GATED;
        gates = gate;
        start(x, delta, rows, width, LIGHT_GRAIN);
    }

    /** {@code x *= by}. */
    void scale(MemorySegment x, float by, int rows, int width) {
        operation = Operation.SCALE;
        factor = by;
        start(x, x, rows, width, LIGHT_GRAIN);
    }

    /** {@code x = cap * tanh(x / cap)}. */
    void softCap(MemorySegment x, float cap, int rows, int width) {
        operation = Operation.SOFT_CAP;
        factor = cap;
        start(x, x, rows, width, HEAVY_GRAIN);
    }

    /** {@code out = activation(gate) * up}; rows of {@code gateUp} are {@code width} gates, then as many ups. */
    void gated(MemorySegment out, MemorySegment gateUp, Activation kind, int rows, int width) {
        operation = Operation.GATED;
        activation = kind;
        start(out, gateUp, rows, width, HEAVY_GRAIN);
    }

    /** {@code x = activation(x)}. */
    void plain(MemorySegment x, Activation kind, int rows, int width) {
        operation = Operation.PLAIN;
        activation = kind;
        start(x, x, rows, width, HEAVY_GRAIN);
    }

    private void start(MemorySegment target, MemorySegment source, int rowCount, int rowWidth, int grain) {
        out = target;
        in = source;
        rows = rowCount;
        width = rowWidth;
        tail = SPECIES.indexInRange(SPECIES.loopBound(rowWidth), rowWidth);
        pool.run(this, pool.parts((long) rowCount * rowWidth, grain));
    }

    @Override
    public void run(int part, int parts, int thread) {
        int end = CpuPool.start(part + 1, parts, rows, 1);
        for (int r = CpuPool.start(part, parts, rows, 1); r < end; r++) {
            long at = 4L * r * width;
            switch (operation) {
                case ADD -> addRow(out, in, at, width, tail);
                case ADD_GATED -> addScaledRow(out, at, in, at, sigmoid(gates, r), width, tail);
                case SCALE -> scaleRow(out, at, width, factor, tail);
                case SOFT_CAP -> capRow(out, at, width, factor, tail);
                case GATED -> gatedRow(at);
                case PLAIN -> plainRow(at);
            }
        }
    }

    private void gatedRow(long at) {
        switch (activation) {
            case SILU -> siluGated(out, at, in, 2 * at, width, tail);
            case GELU -> geluGated(out, at, in, 2 * at, width, tail);
            case GELU_TANH -> geluTanhGated(out, at, in, 2 * at, width, tail);
            case RELU -> reluGated(out, at, in, 2 * at, width, tail);
            case RELU2 -> relu2Gated(out, at, in, 2 * at, width, tail);
        }
    }

    private void plainRow(long at) {
        switch (activation) {
            case SILU -> silu(out, at, width, tail);
            case GELU -> gelu(out, at, width, tail);
            case GELU_TANH -> geluTanh(out, at, width, tail);
            case RELU -> relu(out, at, width, tail);
            case RELU2 -> relu2(out, at, width, tail);
        }
    }

    static void addRow(MemorySegment x, MemorySegment delta, long at, int width, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            store(load(x, at + 4L * i).add(load(delta, at + 4L * i)), x, at + 4L * i);
        }
        if (bound < width) {
            long last = at + 4L * bound;
            store(load(x, last, tail).add(load(delta, last, tail)), x, last, tail);
        }
    }

    /** {@code x += factor * delta}; every element as a fused multiply-add. */
    static void addScaledRow(
            MemorySegment x, long at, MemorySegment delta, long from, float factor, int width, VectorMask<Float> tail) {
        FloatVector by = FloatVector.broadcast(SPECIES, factor);
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            store(by.fma(load(delta, from + 4L * i), load(x, at + 4L * i)), x, at + 4L * i);
        }
        if (bound < width) {
            long last = 4L * bound;
            store(by.fma(load(delta, from + last, tail), load(x, at + last, tail)), x, at + last, tail);
        }
    }

    private static float sigmoid(MemorySegment gates, int row) {
        return (float) ScalarMath.sigmoid(gates.getAtIndex(ValueLayout.JAVA_FLOAT, row));
    }

    private static void scaleRow(MemorySegment x, long at, int width, float factor, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            store(load(x, at + 4L * i).mul(factor), x, at + 4L * i);
        }
        if (bound < width) {
            store(load(x, at + 4L * bound, tail).mul(factor), x, at + 4L * bound, tail);
        }
    }

    private static void capRow(MemorySegment x, long at, int width, float cap, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            FloatVector value = load(x, at + 4L * i);
            store(VectorMath.tanh(value.div(cap)).mul(cap), x, at + 4L * i);
        }
        if (bound < width) {
            FloatVector value = load(x, at + 4L * bound, tail);
            store(VectorMath.tanh(value.div(cap)).mul(cap), x, at + 4L * bound, tail);
        }
    }

    private static void siluGated(
            MemorySegment out, long at, MemorySegment gateUp, long gate, int width, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        long up = gate + 4L * width;
        for (int i = 0; i < bound; i += LANES) {
            FloatVector x = load(gateUp, gate + 4L * i);
            store(VectorMath.silu(x).mul(load(gateUp, up + 4L * i)), out, at + 4L * i);
        }
        if (bound < width) {
            long last = 4L * bound;
            FloatVector x = load(gateUp, gate + last, tail);
            store(VectorMath.silu(x).mul(load(gateUp, up + last, tail)), out, at + last, tail);
        }
    }

    private static void silu(MemorySegment x, long at, int width, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            store(VectorMath.silu(load(x, at + 4L * i)), x, at + 4L * i);
        }
        if (bound < width) {
            store(VectorMath.silu(load(x, at + 4L * bound, tail)), x, at + 4L * bound, tail);
        }
    }

    private static void geluGated(
            MemorySegment out, long at, MemorySegment gateUp, long gate, int width, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        long up = gate + 4L * width;
        for (int i = 0; i < bound; i += LANES) {
            FloatVector x = load(gateUp, gate + 4L * i);
            store(VectorMath.gelu(x).mul(load(gateUp, up + 4L * i)), out, at + 4L * i);
        }
        if (bound < width) {
            long last = 4L * bound;
            FloatVector x = load(gateUp, gate + last, tail);
            store(VectorMath.gelu(x).mul(load(gateUp, up + last, tail)), out, at + last, tail);
        }
    }

    private static void gelu(MemorySegment x, long at, int width, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            store(VectorMath.gelu(load(x, at + 4L * i)), x, at + 4L * i);
        }
        if (bound < width) {
            store(VectorMath.gelu(load(x, at + 4L * bound, tail)), x, at + 4L * bound, tail);
        }
    }

    private static void geluTanhGated(
            MemorySegment out, long at, MemorySegment gateUp, long gate, int width, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        long up = gate + 4L * width;
        for (int i = 0; i < bound; i += LANES) {
            FloatVector x = load(gateUp, gate + 4L * i);
            store(VectorMath.geluTanh(x).mul(load(gateUp, up + 4L * i)), out, at + 4L * i);
        }
        if (bound < width) {
            long last = 4L * bound;
            FloatVector x = load(gateUp, gate + last, tail);
            store(VectorMath.geluTanh(x).mul(load(gateUp, up + last, tail)), out, at + last, tail);
        }
    }

    private static void geluTanh(MemorySegment x, long at, int width, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            store(VectorMath.geluTanh(load(x, at + 4L * i)), x, at + 4L * i);
        }
        if (bound < width) {
            store(VectorMath.geluTanh(load(x, at + 4L * bound, tail)), x, at + 4L * bound, tail);
        }
    }

    private static void reluGated(
            MemorySegment out, long at, MemorySegment gateUp, long gate, int width, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        long up = gate + 4L * width;
        for (int i = 0; i < bound; i += LANES) {
            FloatVector x = load(gateUp, gate + 4L * i);
            store(VectorMath.relu(x).mul(load(gateUp, up + 4L * i)), out, at + 4L * i);
        }
        if (bound < width) {
            long last = 4L * bound;
            FloatVector x = load(gateUp, gate + last, tail);
            store(VectorMath.relu(x).mul(load(gateUp, up + last, tail)), out, at + last, tail);
        }
    }

    private static void relu(MemorySegment x, long at, int width, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            store(VectorMath.relu(load(x, at + 4L * i)), x, at + 4L * i);
        }
        if (bound < width) {
            store(VectorMath.relu(load(x, at + 4L * bound, tail)), x, at + 4L * bound, tail);
        }
    }

    private static void relu2Gated(
            MemorySegment out, long at, MemorySegment gateUp, long gate, int width, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        long up = gate + 4L * width;
        for (int i = 0; i < bound; i += LANES) {
            FloatVector x = load(gateUp, gate + 4L * i);
            store(VectorMath.relu2(x).mul(load(gateUp, up + 4L * i)), out, at + 4L * i);
        }
        if (bound < width) {
            long last = 4L * bound;
            FloatVector x = load(gateUp, gate + last, tail);
            store(VectorMath.relu2(x).mul(load(gateUp, up + last, tail)), out, at + last, tail);
        }
    }

    private static void relu2(MemorySegment x, long at, int width, VectorMask<Float> tail) {
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            store(VectorMath.relu2(load(x, at + 4L * i)), x, at + 4L * i);
        }
        if (bound < width) {
            store(VectorMath.relu2(load(x, at + 4L * bound, tail)), x, at + 4L * bound, tail);
        }
    }
}
