package dev.apus.kernels.cpu;

/**
 * Draws one token from a row of adjusted logits: temperature, min-p, top-k, top-p, then one number of a counter-based generator.
 * Restrictions mean what they mean in vLLM and transformers: min-p looks at the distribution after temperature; top-k keeps all tokens
 * equal to the k-th; top-p looks at what min-p and top-k left, renormalised, and keeps a token while the likelier ones have less than p.
 *
 * <p>No sort of the vocabulary: candidates are found by thresholds, and the nucleus by weighted quickselect (Hoare) among them. Holds
 * one thread's scratch memory.
 */
final class TokenDraw {
    /** Up to this k the k-th value comes from a heap, above it from a threshold search. */
    private static final int HEAP_MAX = 256;
    /** Natural logarithm below the likeliest of the first threshold for top-p; doubled until the nucleus is in. */
    private static final float FIRST_DEPTH = 8;

    private final LogitPasses passes;
    private final TopTokens top;
    private final double[] chunkSums;
    private final int[] ids;
    /** Weight of each candidate, 0 once it is dropped. */
    private final float[] weights;
    /** Candidates as quickselect moves them. */
    private final int[] order;

    TokenDraw(int vocab, LogitPasses passes) {
        this.passes = passes;
        top = new TopTokens(passes);
        int padded = LogitPasses.padded(vocab);
        chunkSums = new double[padded / LogitPasses.CHUNK];
        ids = new int[padded];
        weights = new float[padded];
        order = new int[padded];
    }

    /**
     * Draws from {@code logits[0, vocab)}, which are overwritten.
     *
     * @param logits padded with negative infinity; no NaN, at least one finite value
     * @param u uniform in [0, 1)
     */
    int draw(float[] logits, int vocab, float temperature, int topK, float topP, float minP, double u) {
        passes.scale(logits, 1f / temperature);
        float max = logits[passes.argmax(logits)];
        if (max == Float.POSITIVE_INFINITY) {
            // A temperature so small that the scaled logits overflow: greedy in effect.
            return passes.argmax(logits);
        }
        boolean limited = topK > 0 && topK < vocab;
        if (!limited && minP <= 0 && topP >= 1) {
            return drawFromAll(logits, vocab, max, u);
        }
        float threshold = limited ? kth(logits, vocab, topK) : Float.NEGATIVE_INFINITY;
        if (minP > 0) {
            threshold = Math.max(threshold, max + (float) Math.log(minP));
        }
        boolean thresholded = limited || minP > 0;
        int count;
        if (thresholded) {
            // Never below the likeliest, whatever rounding did to it.
            count = passes.atLeast(logits, vocab, Math.min(threshold, max), ids);
            double mass = weigh(logits, count, max);
            return topP < 1 ? drawFromNucleus(logits, count, mass * topP, u) : pick(count, mass, u);
        }
        double wanted = passes.expSum(logits, max) * topP;
        float depth = FIRST_DEPTH;
        while (true) {
            count = passes.atLeast(logits, vocab, max - depth, ids);
            if (weigh(logits, count, max) >= wanted || count == vocab || depth == Float.POSITIVE_INFINITY) {
                return drawFromNucleus(logits, count, wanted, u);
            }
            depth = depth > 60 ? Float.POSITIVE_INFINITY : depth * 2;
        }
    }

    private float kth(float[] logits, int vocab, int k) {
        if (k > HEAP_MAX) {
            return passes.kthLargest(logits, k);
        }
        top.select(logits, vocab, k);
        return top.value(k - 1);
    }

    private int drawFromAll(float[] logits, int vocab, float max, double u) {
        double target = passes.expSums(logits, max, chunkSums) * u;
        int chunk = 0;
        while (chunk < chunkSums.length - 1 && target >= chunkSums[chunk]) {
            target -= chunkSums[chunk++];
        }
        int last = -1;
        for (int id = chunk * LogitPasses.CHUNK; id < Math.min(vocab, (chunk + 1) * LogitPasses.CHUNK); id++) {
            if (logits[id] > 0) {
                last = id;
                target -= logits[id];
                if (target < 0) {
                    return id;
                }
            }
        }
        // Rounding left a rest: the last token that has weight, in this chunk or before it.
        for (int id = chunk * LogitPasses.CHUNK; last < 0; id--) {
            if (logits[id] > 0) {
                last = id;
            }
        }
        return last;
    }

    private double weigh(float[] logits, int count, float max) {
        double mass = 0;
        for (int i = 0; i < count; i++) {
            weights[i] = (float) Math.exp(logits[ids[i]] - max);
            mass += weights[i];
        }
        return mass;
    }

    /** Draws from the likeliest candidates whose weights reach {@code wanted}. */
    private int drawFromNucleus(float[] logits, int count, double wanted, double u) {
        int last = lastOfNucleus(logits, count, wanted);
        double mass = 0;
        for (int i = 0; i < count; i++) {
            if (before(logits, last, ids[i])) {
                weights[i] = 0;
            }
            mass += weights[i];
        }
        return pick(count, mass, u);
    }

    private int pick(int count, double mass, double u) {
        double target = mass * u;
        int last = ids[0];
        for (int i = 0; i < count; i++) {
            if (weights[i] > 0) {
                last = ids[i];
                target -= weights[i];
                if (target < 0) {
                    break;
                }
            }
        }
        return last;
    }

    /** The least likely token of the smallest set of likeliest candidates that weighs {@code wanted}. */
    private int lastOfNucleus(float[] logits, int count, double wanted) {
        for (int i = 0; i < count; i++) {
            order[i] = i;
        }
        int low = 0;
        int high = count;
        double sum = 0;
        while (high - low > 1) {
            int pivot = partition(logits, low, high);
            double left = 0;
            for (int i = low; i < pivot; i++) {
                left += weights[order[i]];
            }
            if (sum + left >= wanted && pivot > low) {
                high = pivot;
            } else if (sum + left + weights[order[pivot]] >= wanted || pivot == high - 1) {
                return ids[order[pivot]];
            } else {
                sum += left + weights[order[pivot]];
                low = pivot + 1;
            }
        }
        return ids[order[low]];
    }

    /** Moves the middle element to its place in descending order, what is before it to the left; returns its index. */
    private int partition(float[] logits, int low, int high) {
        swap((low + high) >>> 1, high - 1);
        int pivot = ids[order[high - 1]];
        int at = low;
        for (int i = low; i < high - 1; i++) {
            if (before(logits, ids[order[i]], pivot)) {
                swap(at++, i);
            }
        }
        swap(at, high - 1);
        return at;
    }

    private void swap(int a, int b) {
        int t = order[a];
        order[a] = order[b];
        order[b] = t;
    }

    /** Whether token {@code a} comes before {@code b}: likelier, or equal and lower. */
    private static boolean before(float[] logits, int a, int b) {
        return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
    }
}
