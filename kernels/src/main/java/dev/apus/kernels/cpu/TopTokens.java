package dev.apus.kernels.cpu;

/**
 * The k largest of a row of logits, descending, the lowest id first among equals: a heap of the k best so far, fed only with values
 * that beat its worst, which a fast pass finds. Reusable; grows to the largest k seen.
 */
final class TopTokens {
    private final LogitPasses passes;
    private float[] value = new float[0];
    private int[] id = new int[0];
    private int size;

    TopTokens(LogitPasses passes) {
        this.passes = passes;
    }

    /** Selects the {@code k} largest of {@code values[0, count)}; {@code values} is padded with negative infinity. */
    void select(float[] values, int count, int k) {
        int wanted = Math.min(k, count);
        if (value.length < wanted) {
            value = new float[wanted];
            id = new int[wanted];
        }
        size = 0;
        int i = 0;
        for (; i < wanted; i++) {
            push(values[i], i);
        }
        if (wanted > 0) {
            rest(values, count, i);
            sort();
        }
    }

    /** Tokens found. */
    int size() {
        return size;
    }

    /** Id of the i-th. */
    int id(int i) {
        return id[i];
    }

    /** Value of the i-th. */
    float value(int i) {
        return value[i];
    }

    private void rest(float[] values, int count, int from) {
        int stride = passes.stride();
        int i = from;
        while (i < count) {
            if (i % stride == 0) {
                i = passes.nextGreater(values, i, value[0]);
            }
            int end = Math.min(count, i - i % stride + stride);
            for (; i < end; i++) {
                // An equal value has a higher id than what is in the heap: it loses.
                if (values[i] > value[0]) {
                    replaceWorst(values[i], i);
                }
            }
        }
    }

    private void push(float v, int token) {
        int at = size++;
        while (at > 0) {
            int parent = (at - 1) >>> 1;
            if (!worse(v, token, value[parent], id[parent])) {
                break;
            }
            value[at] = value[parent];
            id[at] = id[parent];
            at = parent;
        }
        value[at] = v;
        id[at] = token;
    }

    private void replaceWorst(float v, int token) {
        sink(v, token, size);
    }

    /** Puts an entry in the place of the root of the heap's first {@code end} entries. */
    private void sink(float v, int token, int end) {
        int at = 0;
        int child = 1;
        while (child < end) {
            if (child + 1 < end && worse(value[child + 1], id[child + 1], value[child], id[child])) {
                child++;
            }
            if (!worse(value[child], id[child], v, token)) {
                break;
            }
            value[at] = value[child];
            id[at] = id[child];
            at = child;
            child = 2 * at + 1;
        }
        value[at] = v;
        id[at] = token;
    }

    /** Heapsort: the worst goes to the end. */
    private void sort() {
        for (int end = size - 1; end > 0; end--) {
            float worstValue = value[0];
            int worstId = id[0];
            sink(value[end], id[end], end);
            value[end] = worstValue;
            id[end] = worstId;
        }
    }

    private static boolean worse(float v, int token, float otherValue, int otherToken) {
        return v < otherValue || (v == otherValue && token > otherToken);
    }
}
