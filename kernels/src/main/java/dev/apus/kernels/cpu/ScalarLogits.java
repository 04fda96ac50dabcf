package dev.apus.kernels.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Passes over logits in plain Java, for a JVM without the Vector API. */
final class ScalarLogits implements LogitPasses {
    @Override
    public int stride() {
        return 1;
    }

    @Override
    public int argmax(MemorySegment data, long offset, int count) {
        int best = -1;
        float most = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < count; i++) {
            float value = data.get(ValueLayout.JAVA_FLOAT_UNALIGNED, offset + 4L * i);
            if (!(value < Float.POSITIVE_INFINITY)) {
                return -1;
            }
            if (best < 0 || value > most) {
                best = i;
                most = value;
            }
        }
        return best;
    }

    @Override
    public boolean corrupted(float[] values) {
        for (float value : values) {
            // False for NaN too.
            if (!(value < Float.POSITIVE_INFINITY)) {
                return true;
            }
        }
        return false;
    }

    @Override
    public int argmax(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) {
                best = i;
            }
        }
        return best;
    }

    @Override
    public void scale(float[] values, float factor) {
        for (int i = 0; i < values.length; i++) {
            values[i] *= factor;
        }
    }

    @Override
    public double expSum(float[] values, float max) {
        double sum = 0;
        for (float value : values) {
            sum += Math.exp(value - max);
        }
        return sum;
    }

    @Override
    public double expSums(float[] values, float max, double[] sums) {
        double total = 0;
        for (int from = 0; from < values.length; from += CHUNK) {
            double sum = 0;
            for (int i = from; i < from + CHUNK; i++) {
                values[i] = (float) Math.exp(values[i] - max);
                sum += values[i];
            }
            sums[from / CHUNK] = sum;
            total += sum;
        }
        return total;
    }

    @Override
    public int countGreater(float[] values, float limit) {
        int count = 0;
        for (float value : values) {
            count += value > limit ? 1 : 0;
        }
        return count;
    }

    @Override
    public int atLeast(float[] values, int end, float limit, int[] ids) {
        int count = 0;
        for (int i = 0; i < end; i++) {
            if (values[i] >= limit) {
                ids[count++] = i;
            }
        }
        return count;
    }

    @Override
    public int nextGreater(float[] values, int from, float limit) {
        int i = from;
        while (i < values.length && !(values[i] > limit)) {
            i++;
        }
        return i;
    }
}
