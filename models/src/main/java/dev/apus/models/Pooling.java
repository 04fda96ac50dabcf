package dev.apus.models;

import java.util.Locale;

/** How the hidden states of a sequence's tokens become one vector, by sentence-transformers' and vLLM's names. */
public enum Pooling {
    /** The first token's. */
    CLS,
    /** The last token's. */
    LAST,
    /** Their mean. */
    MEAN,
    /** The largest value of each column. */
    MAX,
    /** Their sum over the square root of their number. */
    MEAN_SQRT_LEN,
    /** Their mean, the i-th of them (from 1) counted i times (SGPT). */
    WEIGHTED_MEAN;

    /**
     * The pooling of a name: {@code cls}, {@code lasttoken} or {@code last}, {@code mean}, {@code max}, {@code mean_sqrt_len_tokens},
     * {@code weightedmean}, in any case.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public static Pooling of(String name) {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "cls" -> CLS;
            case "lasttoken", "last" -> LAST;
            case "mean" -> MEAN;
            case "max" -> MAX;
            case "mean_sqrt_len_tokens" -> MEAN_SQRT_LEN;
            case "weightedmean" -> WEIGHTED_MEAN;
            default ->
                throw new IllegalArgumentException("the pooling is '" + name
                        + "', must be cls, last (or lasttoken), mean, max, mean_sqrt_len_tokens or weightedmean");
        };
    }

    /**
     * Pools one sequence.
     *
     * @param states {@code [tokens, width]}
     * @return {@code width} values
     */
    public float[] pool(float[] states, int tokens, int width) {
        return switch (this) {
            case CLS -> row(states, 0, width);
            case LAST -> row(states, tokens - 1, width);
            case MAX -> largest(states, tokens, width);
            case MEAN -> sum(states, tokens, width, 1.0 / tokens, false);
            case MEAN_SQRT_LEN -> sum(states, tokens, width, 1 / Math.sqrt(tokens), false);
            case WEIGHTED_MEAN -> sum(states, tokens, width, 2.0 / ((double) tokens * (tokens + 1)), true);
        };
    }

    private static float[] row(float[] states, int index, int width) {
        float[] out = new float[width];
        System.arraycopy(states, index * width, out, 0, width);
        return out;
    }

    private static float[] largest(float[] states, int tokens, int width) {
        float[] out = row(states, 0, width);
        for (int t = 1; t < tokens; t++) {
            for (int i = 0; i < width; i++) {
                out[i] = Math.max(out[i], states[t * width + i]);
            }
        }
        return out;
    }

    private static float[] sum(float[] states, int tokens, int width, double factor, boolean weighted) {
        double[] sums = new double[width];
        for (int t = 0; t < tokens; t++) {
            double weight = weighted ? t + 1 : 1;
            for (int i = 0; i < width; i++) {
                sums[i] += weight * states[t * width + i];
            }
        }
        float[] out = new float[width];
        for (int i = 0; i < width; i++) {
            out[i] = (float) (sums[i] * factor);
        }
        return out;
    }

    /** The vector over its Euclidean length, in place; one of zeros stays. */
    public static float[] normalise(float[] vector) {
        double squares = 0;
        for (float value : vector) {
            squares += (double) value * value;
        }
        double factor = squares == 0 ? 0 : 1 / Math.sqrt(squares);
        for (int i = 0; i < vector.length; i++) {
            vector[i] = (float) (vector[i] * factor);
        }
        return vector;
    }
}
