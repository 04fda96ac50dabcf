package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import dev.apus.kernels.Tensor;
import java.util.Arrays;

/**
 * A tensor in device memory.
 *
 * @param shape extents, outermost first; not to be changed
 * @param address device address of the first element; whoever allocated it frees it
 */
record CudaTensor(DType dtype, long[] shape, long address) implements Tensor {
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

    /** Bytes of all elements. */
    long byteSize() {
        return dtype.byteSize(elements());
    }

    @Override
    public String toString() {
        return dtype + Arrays.toString(shape) + " on the device";
    }
}
