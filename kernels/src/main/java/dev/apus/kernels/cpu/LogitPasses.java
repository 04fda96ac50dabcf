package dev.apus.kernels.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Passes over one row of logits that sampling is made of. Arrays are padded with negative infinity to {@link #padded} elements, so that
 * no pass has a tail. Sums are added in a fixed order: sampling must give the same token every time.
 *
 * <p>An instance belongs to one thread: it may hold scratch memory.
 */
interface LogitPasses {
    /** Elements whose sum {@link #expSums} reports together. */
    int CHUNK = 1024;

    /** Array length for {@code elements} elements: a multiple of {@link #CHUNK}, which every {@link #stride} divides. */
    static int padded(int elements) {
        return Math.multiplyExact((elements + CHUNK - 1) / CHUNK, CHUNK);
    }

    /** Copies {@code count} floats at {@code offset} and pads with negative infinity. */
    static void load(MemorySegment data, long offset, int count, float[] values) {
        MemorySegment.copy(data, ValueLayout.JAVA_FLOAT_UNALIGNED, offset, values, 0, count);
        Arrays.fill(values, count, values.length, Float.NEGATIVE_INFINITY);
    }

    /** Elements that {@link #nextGreater} looks at together. */
    int stride();

    /** Index of the largest of {@code count} floats at {@code offset}, the lowest among equals; -1 if one is NaN or +infinity. */
    int argmax(MemorySegment data, long offset, int count);

    /** Whether one of the values is NaN or +infinity. */
    boolean corrupted(float[] values);

    /** Index of the largest value, the lowest among equals; the values hold no NaN. */
    int argmax(float[] values);

    /** {@code values *= factor}. */
    void scale(float[] values, float factor);

    /** Sum of {@code exp(values - max)}. */
    double expSum(float[] values, float max);

    /** {@code values = exp(values - max)}, with the sum of each {@link #CHUNK} in {@code sums}; returns the whole sum. */
    double expSums(float[] values, float max, double[] sums);

    /** How many values are greater than {@code limit}. */
    int countGreater(float[] values, float limit);

    /** Collects the indices below {@code end} of values that are at least {@code limit}, ascending; returns how many. */
    int atLeast(float[] values, int end, float limit, int[] ids);

    /**
     * First multiple of {@link #stride}, from the multiple {@code from} on, at which one of so many values exceeds {@code limit}; the
     * array's length if none does.
     */
    int nextGreater(float[] values, int from, float limit);

    /** The k-th largest value (equals counted apart): a search over the ordered bit patterns, 32 counting passes whatever k is. */
    default float kthLargest(float[] values, int k) {
        int low = key(Float.NEGATIVE_INFINITY);
        int high = key(Float.POSITIVE_INFINITY);
        // Largest key such that at least k values are at least that large.
        while (low < high) {
            int middle = (int) (((long) low + high + 1) >> 1);
            if (countGreater(values, Math.nextDown(fromKey(middle))) >= k) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return fromKey(low);
    }

    /** Maps floats to ints of the same order; its own inverse on the bits. */
    private static int key(float value) {
        int bits = Float.floatToRawIntBits(value);
        return bits ^ ((bits >> 31) & Integer.MAX_VALUE);
    }

    private static float fromKey(int key) {
        return Float.intBitsToFloat(key ^ ((key >> 31) & Integer.MAX_VALUE));
    }
}
