package dev.apus.kernels;

/**
 * Rotation angles of rotary position embedding, made once per model.
 *
 * @param cosSin F32 {@code [rows, rotaryDim]}, looked up by {@link StepBatch#ropeRows}: row p holds {@code rotaryDim/2} cosines, then as
 *     many sines, of position p, any attention factor (YaRN, LongRoPE) already multiplied in. Behind the short factors' rows may be
 *     those of the long ones
 * @param rotaryDim leading elements of a head that are rotated, even, at most headDim
 * @param interleaved pairs are (2i, 2i+1) as in GPT-J, else (i, i + rotaryDim/2) as in GPT-NeoX and Hugging Face models
 * @param beforeNorms whether heads are rotated before they are normalised (HunYuan) instead of after
 */
public record RopeTable(Tensor cosSin, int rotaryDim, boolean interleaved, boolean beforeNorms) {
    /** Angles that apply to normalised heads. */
    public RopeTable(Tensor cosSin, int rotaryDim, boolean interleaved) {
        this(cosSin, rotaryDim, interleaved, false);
    }
}
