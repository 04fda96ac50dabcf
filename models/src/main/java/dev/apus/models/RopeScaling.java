package dev.apus.models;

/** How rotary frequencies are stretched beyond the length of pre-training; the names are transformers' {@code rope_type}. */
public sealed interface RopeScaling {
    /** Plain frequencies; also dynamic NTK, which changes nothing within {@code max_position_embeddings}. */
    record None() implements RopeScaling {}

    /** Frequencies divided by {@code factor}: position interpolation. */
    record Linear(double factor) implements RopeScaling {}

    /** Llama 3.1: low frequencies divided by {@code factor}, high ones kept, a smooth passage between. */
    record Llama3(double factor, double lowFreqFactor, double highFreqFactor, int originalPositions)
            implements RopeScaling {}

    /**
     * YaRN (arXiv 2309.00071).
     *
     * @param factor stretch of low frequencies
     * @param betaFast rotations over the original length above which a frequency is kept
     * @param betaSlow rotations below which it is divided by {@code factor}
     * @param attentionFactor multiplied into cosines and sines
     * @param truncate whether the bounds of the passage are rounded to whole dimensions
     */
    record Yarn(
            double factor,
            double betaFast,
            double betaSlow,
            int originalPositions,
            double attentionFactor,
            boolean truncate)
            implements RopeScaling {}

    /**
     * LongRoPE (arXiv 2402.13753): a divisor per frequency. As in transformers, the long ones apply to every position of a sequence of
     * more than {@code originalPositions} tokens and the short ones to shorter sequences; see {@link Decoder#ropeOffset}.
     *
     * @param attentionFactor multiplied into cosines and sines
     */
    record LongRope(double[] shortFactors, double[] longFactors, int originalPositions, double attentionFactor)
            implements RopeScaling {
        public LongRope {
            shortFactors = shortFactors.clone();
            longFactors = longFactors.clone();
        }
    }

    /** A divisor per frequency from the checkpoint: GGUF's {@code rope_freqs.weight}. */
    record Divisors(double[] factors) implements RopeScaling {
        public Divisors {
            factors = factors.clone();
        }
    }
}
