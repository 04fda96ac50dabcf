package dev.apus.loaders;

import dev.apus.kernels.DType;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Where one tensor lies in its file, checked against the file's size.
 *
 * @param typeName the format's own name of the element type, for messages
 * @param dtype the element type, or null if this program has none for it: the tensor is listed but cannot be read
 * @param shape extents, outermost first
 * @param offset first byte, from the start of the file
 */
record TensorEntry(String name, String typeName, @Nullable DType dtype, long[] shape, long offset, long byteSize) {
    /** Product of {@code shape}, or -1 if it exceeds 2^63-1 on the way or an extent is negative. */
    static long elements(long[] shape) {
        long elements = 1;
        for (long extent : shape) {
            if (extent < 0 || Math.multiplyHigh(elements, extent) != 0 || elements * extent < 0) {
                return -1;
            }
            elements *= extent;
        }
        return elements;
    }

    @Override
    public String toString() {
        return typeName + Arrays.toString(shape);
    }
}
