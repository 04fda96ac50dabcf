package dev.apus.models;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.loaders.CheckpointException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/** Rearranges tensors of a checkpoint; slices are views, only a transposition copies. */
final class TensorOps {
    private TensorOps() {}

    /** {@code [in, out]} to {@code [out, in]}. */
    static HostTensor transpose(Arena arena, HostTensor tensor) {
        DType type = tensor.dtype();
        if (type != DType.F32 && type != DType.F16 && type != DType.BF16) {
            throw new CheckpointException(
                    "a weight stored [in, out] is " + tensor + "; F32, F16 and BF16 are supported");
        }
        long in = tensor.dim(0);
        long out = tensor.dim(1);
        MemorySegment from = tensor.data();
        MemorySegment to = arena.allocate(from.byteSize(), 64);
        for (long o = 0; o < out; o++) {
            for (long i = 0; i < in; i++) {
                if (type == DType.F32) {
                    to.setAtIndex(ValueLayout.JAVA_INT, o * in + i, from.getAtIndex(ValueLayout.JAVA_INT, i * out + o));
                } else {
                    to.setAtIndex(
                            ValueLayout.JAVA_SHORT, o * in + i, from.getAtIndex(ValueLayout.JAVA_SHORT, i * out + o));
                }
            }
        }
        return new HostTensor(type, new long[] {out, in}, to);
    }

    /** Matrix {@code index} of a stack of them. */
    static HostTensor slice(HostTensor stack, int index) {
        long rows = stack.dim(1);
        long width = stack.dim(2);
        long bytes = stack.dtype().byteSize(rows * width);
        return new HostTensor(
                stack.dtype(), new long[] {rows, width}, stack.data().asSlice(index * bytes, bytes));
    }

    private static HostTensor rows(HostTensor matrix, long first, long count) {
        long row = matrix.dtype().byteSize(matrix.dim(1));
        return new HostTensor(
                matrix.dtype(), new long[] {count, matrix.dim(1)}, matrix.data().asSlice(first * row, count * row));
    }

    /** Rows of a grouped projection as parts in the order queries, keys, values. */
    static List<HostTensor> ungroup(HostTensor grouped, AttentionShape shape) {
        List<HostTensor> parts = new ArrayList<>();
        for (long[] range : ranges(shape)) {
            parts.add(rows(grouped, range[0], range[1]));
        }
        return parts;
    }

    /** A bias in the same order. */
    static HostTensor ungroupBias(Arena arena, HostTensor bias, AttentionShape shape) {
        MemorySegment to = arena.allocate(bias.data().byteSize(), 64);
        long at = 0;
        for (long[] range : ranges(shape)) {
            MemorySegment.copy(bias.data(), 4 * range[0], to, 4 * at, 4 * range[1]);
            at += range[1];
        }
        return new HostTensor(DType.F32, bias.shape(), to);
    }

    /** First row and count of each part. */
    private static List<long[]> ranges(AttentionShape shape) {
        long head = shape.headDim();
        long queries = (long) shape.heads() / shape.kvHeads() * head;
        long group = queries + 2 * head;
        List<long[]> out = new ArrayList<>();
        for (int g = 0; g < shape.kvHeads(); g++) {
            out.add(new long[] {g * group, queries});
        }
        for (int g = 0; g < shape.kvHeads(); g++) {
            out.add(new long[] {g * group + queries, head});
        }
        for (int g = 0; g < shape.kvHeads(); g++) {
            out.add(new long[] {g * group + queries + head, head});
        }
        return out;
    }
}
