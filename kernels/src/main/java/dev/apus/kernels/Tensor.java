package dev.apus.kernels;

/**
 * A dense row-major array of one {@link DType} in the memory of one {@link Backend}.
 *
 * <p>Whoever is above the kernels treats it as a handle: only the backend that made a tensor can read it.
 */
public interface Tensor {
    DType dtype();

    /** Number of dimensions; 0 for a scalar. */
    int rank();

    /** Extent of dimension {@code i}, {@code 0 <= i < rank()}; the last dimension is contiguous. */
    long dim(int i);

    /** Number of elements. */
    long elements();
}
