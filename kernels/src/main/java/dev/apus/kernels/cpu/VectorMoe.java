package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.SPECIES;

import dev.apus.kernels.MoeShape;
import dev.apus.kernels.MoeWeights;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.VectorMask;

/**
 * Mixture of experts, one expert after the other over all rows routed to it, so that its weight is read once.
 *
 * <p>A row's experts add to it in ascending order whatever the batch. An expert takes {@value #ROWS} rows at a time, so that the
 * memory they are gathered in has one small size, {@link #bytes}, however large the step.
 */
final class VectorMoe {
    /** Enough that unpacking the expert's weights for them costs little beside multiplying; 26 MB with Mixtral's large experts. */
    static final int ROWS = 128;

    private final CpuPool pool;
    private final VectorPointwise pointwise;
    private final Arena arena;

    /** Experts and weights of each row, {@code [rows][topK]}. */
    private int[] chosen = new int[0];

    private float[] weights = new float[0];
    /** Rows of the expert at work, and their weights. */
    private final int[] members = new int[ROWS];

    private final float[] memberWeights = new float[ROWS];
    /** Where in {@link #chosen} the expert's next rows are looked for. */
    private int next;

    /** Those rows of x, on their way through the expert; made for the first layer, and anew only for a layer with larger ones. */
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
        VectorMask<Float> tail = SPECIES.indexInRange(SPECIES.loopBound(hidden), hidden);
        out.asSlice(0, 4L * rows * hidden).fill((byte) 0);
        for (int e = 0; e < shape.experts(); e++) {
            next = 0;
            for (int n = collect(e, rows, shape.topK()); n > 0; n = collect(e, rows, shape.topK())) {
                expert(out, x, experts, e, n, shape, hidden, tail);
            }
        }
    }

    /** Bytes of native memory that layers of this shape need. */
    static long bytes(MoeShape shape, int hidden) {
        return 4L * ROWS * (2L * hidden + 3L * shape.intermediate());
    }

    private void reserve(int rows, int hidden, MoeShape shape) {
        if (chosen.length < rows * shape.topK()) {
            chosen = new int[rows * shape.topK()];
            weights = new float[rows * shape.topK()];
        }
        inputs = grown(inputs, 4L * ROWS * hidden);
        outputs = grown(outputs, 4L * ROWS * hidden);
        gateUp = grown(gateUp, 8L * ROWS * shape.intermediate());
        inner = grown(inner, 4L * ROWS * shape.intermediate());
    }

    private MemorySegment grown(MemorySegment segment, long bytes) {
        return segment.byteSize() >= bytes ? segment : NativeMemory.allocate(arena, bytes);
    }

    /** Collects the next rows of an expert, {@link #ROWS} at most; their number. */
    private int collect(int expert, int rows, int topK) {
        int count = 0;
        for (; next < rows * topK && count < ROWS; next++) {
            if (chosen[next] == expert) {
                members[count] = next / topK;
                memberWeights[count++] = weights[next];
            }
        }
        return count;
    }

    private void expert(
            MemorySegment out,
            MemorySegment x,
            MoeWeights experts,
            int expert,
            int count,
            MoeShape shape,
            int hidden,
            VectorMask<Float> tail) {
        int intermediate = shape.intermediate();
        for (int i = 0; i < count; i++) {
            MemorySegment.copy(x, 4L * members[i] * hidden, inputs, 4L * i * hidden, 4L * hidden);
        }
        Operands.linear(experts.gateUp().get(expert)).multiply(gateUp, inputs, count, false, pool);
        pointwise.gated(inner, gateUp, shape.activation(), count, intermediate);
        Operands.linear(experts.down().get(expert)).multiply(outputs, inner, count, false, pool);
        for (int i = 0; i < count; i++) {
            long at = 4L * members[i] * hidden;
            VectorPointwise.addScaledRow(out, at, outputs, 4L * i * hidden, memberWeights[i], hidden, tail);
        }
    }
}
