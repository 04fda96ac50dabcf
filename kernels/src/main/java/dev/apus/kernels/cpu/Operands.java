package dev.apus.kernels.cpu;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.Linear;
import dev.apus.kernels.MoeShape;
import dev.apus.kernels.MoeWeights;
import dev.apus.kernels.RopeTable;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Checks of kernel arguments; after them kernels may compute offsets without looking again. */
final class Operands {
    private Operands() {}

    /** An F32 tensor of this backend. */
    static HostTensor f32(Tensor tensor, String name) {
        if (!(tensor instanceof HostTensor host)) {
            throw new IllegalArgumentException(name + " belongs to another backend: " + tensor.getClass());
        }
        if (host.dtype() != DType.F32) {
            throw new IllegalArgumentException(name + " is " + host + "; F32 is needed");
        }
        return host;
    }

    /** An F32 matrix with at least {@code rows} rows. */
    static HostTensor matrix(Tensor tensor, String name, int rows) {
        HostTensor host = f32(tensor, name);
        if (host.rank() != 2 || rows < 0 || rows > host.dim(0)) {
            throw new IllegalArgumentException(
                    name + " is " + host + "; a matrix of at least " + rows + " rows is needed");
        }
        return host;
    }

    /** An F32 matrix of a given width with at least {@code rows} rows. */
    static HostTensor matrix(Tensor tensor, String name, int rows, long width) {
        HostTensor host = matrix(tensor, name, rows);
        if (host.dim(1) != width) {
            throw new IllegalArgumentException(name + " is " + host + "; rows of " + width + " values are needed");
        }
        return host;
    }

    /** An F32 matrix with at least {@code rows} rows and the columns {@code [from, from + width)}. */
    static HostTensor columns(Tensor tensor, int from, int width, int rows) {
        HostTensor host = matrix(tensor, "x", rows);
        if (from < 0 || width <= 0 || from + (long) width > host.dim(1)) {
            throw new IllegalArgumentException(
                    "columns " + from + " to " + (from + width) + " of x, which has " + host.dim(1));
        }
        return host;
    }

    /** An F32 vector of a given length. */
    static HostTensor vector(Tensor tensor, String name, long length) {
        HostTensor host = f32(tensor, name);
        if (host.elements() != length) {
            throw new IllegalArgumentException(name + " is " + host + "; " + length + " values are needed");
        }
        return host;
    }

    static int width(HostTensor matrix) {
        return Math.toIntExact(matrix.dim(1));
    }

    static CpuLinear linear(Linear weight) {
        if (weight instanceof CpuLinear cpu) {
            return cpu;
        }
        throw new IllegalArgumentException("the weight belongs to another backend: " + weight.getClass());
    }

    static CpuKvCache cache(KvCache cache) {
        if (cache instanceof CpuKvCache cpu) {
            return cpu;
        }
        throw new IllegalArgumentException("the KV cache belongs to another backend: " + cache.getClass());
    }

    /** The fused projection of a batch: rows of all query, then key, then value heads. */
    static MemorySegment qkv(Tensor qkv, AttentionShape shape, StepBatch batch) {
        long width = (shape.heads() + 2L * shape.kvHeads()) * shape.headDim();
        return matrix(qkv, "qkv", batch.tokens(), width).data();
    }

    /** A table of angles that covers the heads and the batch's positions. */
    static @Nullable RopeTable rope(@Nullable RopeTable rope, AttentionShape shape, StepBatch batch) {
        if (rope == null) {
            return null;
        }
        int dim = rope.rotaryDim();
        if (dim <= 0 || dim % 2 != 0 || dim > shape.headDim()) {
            throw new IllegalArgumentException(
                    "rotaryDim is " + dim + "; an even number up to headDim " + shape.headDim() + " is needed");
        }
        HostTensor table = f32(rope.cosSin(), "cosSin");
        if (table.rank() != 2 || table.dim(1) != dim) {
            throw new IllegalArgumentException("cosSin is " + table + "; rows of " + dim + " values are needed");
        }
        for (int s = 0; s < batch.sequences(); s++) {
            int last = batch.ropeRows[batch.queryStart[s + 1] - 1];
            if (last >= table.dim(0)) {
                throw new IllegalArgumentException("position " + (batch.kvLength[s] - 1) + " has row " + last
                        + " in a rotary table of " + table.dim(0) + " rows");
            }
        }
        return rope;
    }

    /** Refuses a batch that holds a part of a sequence: its earlier queries could not have seen these keys. */
    static void checkWhole(StepBatch batch) {
        for (int s = 0; s < batch.sequences(); s++) {
            int tokens = batch.queryStart[s + 1] - batch.queryStart[s];
            if (tokens != batch.kvLength[s]) {
                throw new IllegalArgumentException("sequence " + s + " has " + batch.kvLength[s] + " tokens, " + tokens
                        + " of them in this step; bidirectional attention needs all in one step");
            }
        }
    }

    /** Refuses experts that do not fit the shape. */
    static void checkExperts(MoeWeights weights, MoeShape shape, int hidden) {
        int experts = shape.experts();
        if (weights.gateUp().size() != experts || weights.down().size() != experts) {
            throw new IllegalArgumentException(weights.gateUp().size() + " gate and "
                    + weights.down().size() + " down weights for " + experts + " experts");
        }
        if (shape.topK() < 1 || shape.topK() > experts) {
            throw new IllegalArgumentException("topK is " + shape.topK() + " of " + experts + " experts");
        }
        for (int e = 0; e < experts; e++) {
            Linear gateUp = weights.gateUp().get(e);
            Linear down = weights.down().get(e);
            if (gateUp.inFeatures() != hidden
                    || gateUp.outFeatures() != 2 * shape.intermediate()
                    || down.inFeatures() != shape.intermediate()
                    || down.outFeatures() != hidden) {
                throw new IllegalArgumentException("expert " + e + " does not fit hidden " + hidden + " and " + shape);
            }
        }
    }

    /** A field that a kernel sets before it runs its parts. */
    static <T> T present(@Nullable T operand) {
        if (operand == null) {
            throw new IllegalStateException("a part ran before its kernel");
        }
        return operand;
    }
}
