package dev.apus.kernels;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A tensor in host memory: what checkpoints are read into and what the CPU backend computes on.
 *
 * <p>The segment is always native (mapped or allocated), never on the heap, so that hot loops see one kind of memory. It belongs to
 * whoever made its arena; the tensor must not be used after that arena is closed.
 */
public final class HostTensor implements Tensor {
    private final DType dtype;
    private final long[] shape;
    private final MemorySegment data;

    /**
     * @param shape extents, outermost first (torch order: a linear weight is {@code [out, in]})
     * @param data exactly {@code dtype.byteSize(product of shape)} bytes
     * @throws IllegalArgumentException if the sizes disagree or the rows of a block format do not fill its blocks
     */
    public HostTensor(DType dtype, long[] shape, MemorySegment data) {
        this.dtype = dtype;
        this.shape = shape.clone();
        this.data = data;
        long elements = 1;
        for (long extent : shape) {
            if (extent < 0) {
                throw new IllegalArgumentException("negative extent in shape " + Arrays.toString(shape));
            }
            elements = Math.multiplyExact(elements, extent);
        }
        if (dtype.isBlocked() && (shape.length == 0 || shape[shape.length - 1] % dtype.blockSize() != 0)) {
            throw new IllegalArgumentException(
                    "rows of shape " + Arrays.toString(shape) + " do not fill blocks of " + dtype);
        }
        long bytes = dtype.byteSize(elements);
        if (data.byteSize() != bytes) {
            throw new IllegalArgumentException(
                    dtype + Arrays.toString(shape) + " needs " + bytes + " bytes, the segment has " + data.byteSize());
        }
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public int rank() {
        return shape.length;
    }

    @Override
    public long dim(int i) {
        return shape[i];
    }

    @Override
    public long elements() {
        long n = 1;
        for (long extent : shape) {
            n *= extent;
        }
        return n;
    }

    /** The bytes, in native memory. */
    public MemorySegment data() {
        return data;
    }

    /** A copy of the shape, outermost first. */
    public long[] shape() {
        return shape.clone();
    }

    @Override
    public String toString() {
        return dtype + Arrays.toString(shape);
    }
}
