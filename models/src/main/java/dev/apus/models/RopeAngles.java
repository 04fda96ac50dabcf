package dev.apus.models;

import java.util.Arrays;

/** Computes rotary tables as transformers does, in float32 where it does, so that long positions agree. */
final class RopeAngles {
    private RopeAngles() {}

    /**
     * Frequencies {@code [dim/2]}.
     *
     * @param beyond whether they are for a sequence longer than LongRoPE's original length
     */
    static float[] frequencies(DecoderConfig.Rope rope, boolean beyond) {
        float[] periods = periods(rope);
        return switch (rope.scaling()) {
            case RopeScaling.None _ -> divide(periods, filled(periods.length, 1));
            case RopeScaling.Linear linear -> {
                float[] plain = divide(periods, filled(periods.length, 1));
                for (int i = 0; i < plain.length; i++) {
                    plain[i] /= (float) linear.factor();
                }
                yield plain;
            }
            case RopeScaling.Llama3 llama3 -> llama3(divide(periods, filled(periods.length, 1)), llama3);
            case RopeScaling.Yarn yarn -> yarn(periods, rope, yarn);
            case RopeScaling.LongRope l -> divide(periods, beyond ? l.longFactors() : l.shortFactors());
            case RopeScaling.Divisors divisors -> divide(periods, divisors.factors());
        };
    }

    /**
     * Rows of cosines, then sines, for positions 0 to {@code shortRows - 1} of sequences up to LongRoPE's original length, then for
     * positions 0 to {@code positions - 1} of others: {@code [shortRows + positions, dim]}.
     *
     * @param shortRows LongRoPE's original length, or 0 where all sequences are rotated alike
     */
    static float[] table(DecoderConfig.Rope rope, int shortRows, int positions) {
        float[] table = new float[Math.multiplyExact(shortRows + positions, rope.dim())];
        fill(table, 0, shortRows, rope, false);
        fill(table, shortRows, positions, rope, shortRows > 0);
        return table;
    }

    private static void fill(float[] table, int firstRow, int positions, DecoderConfig.Rope rope, boolean beyond) {
        float[] frequencies = frequencies(rope, beyond);
        float factor = (float) attentionFactor(rope.scaling());
        int half = frequencies.length;
        for (int p = 0; p < positions; p++) {
            int row = (firstRow + p) * rope.dim();
            for (int i = 0; i < half; i++) {
                float angle = p * frequencies[i];
                table[row + i] = (float) Math.cos(angle) * factor;
                table[row + half + i] = (float) Math.sin(angle) * factor;
            }
        }
    }

    private static double attentionFactor(RopeScaling scaling) {
        return switch (scaling) {
            case RopeScaling.Yarn yarn -> yarn.attentionFactor();
            case RopeScaling.LongRope longRope -> longRope.attentionFactor();
            case RopeScaling.None _, RopeScaling.Linear _, RopeScaling.Llama3 _, RopeScaling.Divisors _ -> 1;
        };
    }

    /** {@code theta^(2i/dim)} in float32. */
    private static float[] periods(DecoderConfig.Rope rope) {
        float[] out = new float[rope.dim() / 2];
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) Math.pow(rope.theta(), (float) (2 * i) / rope.dim());
        }
        return out;
    }

    private static double[] filled(int count, double value) {
        double[] out = new double[count];
        Arrays.fill(out, value);
        return out;
    }

    private static float[] divide(float[] periods, double[] factors) {
        float[] out = new float[periods.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = 1 / ((float) factors[i] * periods[i]);
        }
        return out;
    }

    private static float[] llama3(float[] plain, RopeScaling.Llama3 s) {
        float[] out = plain.clone();
        double longest = s.originalPositions() / s.lowFreqFactor();
        double shortest = s.originalPositions() / s.highFreqFactor();
        for (int i = 0; i < out.length; i++) {
            double wavelength = 2 * Math.PI / plain[i];
            if (wavelength > longest) {
                out[i] = (float) (plain[i] / s.factor());
            } else if (wavelength >= shortest) {
                double smooth = (s.originalPositions() / wavelength - s.lowFreqFactor())
                        / (s.highFreqFactor() - s.lowFreqFactor());
                out[i] = (float) ((1 - smooth) * plain[i] / s.factor() + smooth * plain[i]);
            }
        }
        return out;
    }

    private static float[] yarn(float[] periods, DecoderConfig.Rope rope, RopeScaling.Yarn s) {
        double low = rotations(s.betaFast(), rope, s.originalPositions());
        double high = rotations(s.betaSlow(), rope, s.originalPositions());
        if (s.truncate()) {
            low = Math.floor(low);
            high = Math.ceil(high);
        }
        low = Math.max(low, 0);
        high = Math.min(high, rope.dim() - 1);
        double width = low == high ? 0.001 : high - low; // transformers' guard against a division by zero
        float[] out = new float[periods.length];
        for (int i = 0; i < out.length; i++) {
            double stretched = Math.clamp((i - low) / width, 0.0, 1.0);
            out[i] = (float) (stretched / (s.factor() * periods[i]) + (1 - stretched) / periods[i]);
        }
        return out;
    }

    /** The dimension whose frequency turns {@code count} times over the original length. */
    private static double rotations(double count, DecoderConfig.Rope rope, int positions) {
        return rope.dim() * Math.log(positions / (count * 2 * Math.PI)) / (2 * Math.log(rope.theta()));
    }
}
