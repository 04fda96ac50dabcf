package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.SPECIES;
import static dev.apus.kernels.cpu.VectorMath.load;
import static dev.apus.kernels.cpu.VectorMath.store;

import dev.apus.kernels.MoeShape;
import dev.apus.kernels.MoeWeights;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;

/**
 * Mixture of experts, one expert after the other over all rows routed to it, so that its weight is read once.
 *
 * <p>A row's experts add to it in ascending order whatever the batch.
 */
final class VectorMoe {
    private final CpuPool pool;
    private final VectorPointwise pointwise;
    private final Arena arena;

    /** Experts and weights of each row, {@code [rows][topK]}. */
    private int[] chosen = new int[0];

    private float[] weights = new float[0];
    /** Rows of the expert at work, and their weights. */
    private int[] members = new int[0];

    private float[] memberWeights = new float[0];
    private MemorySegment inputs = MemorySegment.NULL;
    private MemorySegment gateUp = MemorySegment.NULL;
    private MemorySegment inner = MemorySegment.NULL;
    private MemorySegment outputs = MemorySegment.NULL;

    VectorMoe(CpuPool pool, VectorPointwise pointwise, Arena arena) {
        this.pool = pool;
        this.pointwise = pointwise;
        this.arena = arena;
    }

    void run(
            MemorySegment out,
            MemorySegment x,
            MemorySegment logits,
            MoeWeights experts,
            MoeShape shape,
            int rows,
            int hidden) {
        reserve(rows, hidden, shape);
        for (int r = 0; r < rows; r++) {
            MoeRouter.route(logits, 4L * r * shape.experts(), shape, chosen, weights, r * shape.topK());
        }
        out.asSlice(0, 4L * rows * hidden).fill((byte) 0);
        for (int e = 0; e < shape.experts(); e++) {
            int count = collect(e, rows, shape.topK());
            if (count > 0) {
                expert(out, x, experts, e, count, shape, hidden);
            }
        }
    }

    private void reserve(int rows, int hidden, MoeShape shape) {
        if (members.length < rows) {
            members = new int[rows];
            memberWeights = new float[rows];
        }
        if (chosen.length < rows * shape.topK()) {
            chosen = new int[rows * shape.topK()];
            weights = new float[rows * shape.topK()];
        }
        inputs = grown(inputs, 4L * rows * hidden);
        outputs = grown(outputs, 4L * rows * hidden);
        gateUp = grown(gateUp, 8L * rows * shape.intermediate());
        inner = grown(inner, 4L * rows * shape.intermediate());
    }

    private MemorySegment grown(MemorySegment segment, long bytes) {
        return segment.byteSize() >= bytes ? segment : NativeMemory.allocate(arena, bytes);
    }

    private int collect(int expert, int rows, int topK) {
        int count = 0;
        for (int i = 0; i < rows * topK; i++) {
            if (chosen[i] == expert) {
                members[count] = i / topK;
                memberWeights[count++] = weights[i];
            }
        }
        return count;
    }

    private void expert(
            MemorySegment out, MemorySegment x, MoeWeights experts, int expert, int count, MoeShape shape, int hidden) {
        int intermediate = shape.intermediate();
        for (int i = 0; i < count; i++) {
            MemorySegment.copy(x, 4L * members[i] * hidden, inputs, 4L * i * hidden, 4L * hidden);
        }
        Operands.linear(experts.gateUp().get(expert))
                .multiply(gateUp, 0, 2 * intermediate, inputs, 0, hidden, count, false, pool);
        pointwise.gated(inner, gateUp, shape.activation(), count, intermediate);
        Operands.linear(experts.down().get(expert))
                .multiply(outputs, 0, hidden, inner, 0, intermediate, count, false, pool);
        for (int i = 0; i < count; i++) {
            addScaled(out, 4L * members[i] * hidden, outputs, 4L * i * hidden, memberWeights[i], hidden);
        }
    }

    /** {@code out += weight * y}; every element as a fused multiply-add, in vectors or alone. */
    private static void addScaled(MemorySegment out, long at, MemorySegment y, long from, float weight, int width) {
        FloatVector factor = FloatVector.broadcast(SPECIES, weight);
        int bound = SPECIES.loopBound(width);
        for (int i = 0; i < bound; i += LANES) {
            store(factor.fma(load(y, from + 4L * i), load(out, at + 4L * i)), out, at + 4L * i);
        }
        for (int i = bound; i < width; i++) {
            float sum = Math.fma(
                    weight, y.get(ValueLayout.JAVA_FLOAT, from + 4L * i), out.get(ValueLayout.JAVA_FLOAT, at + 4L * i));
            out.set(ValueLayout.JAVA_FLOAT, at + 4L * i, sum);
        }
    }
}
