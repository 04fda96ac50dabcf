package dev.apus.kernels;

/**
 * Rotation angles of rotary position embedding, made once per model.
 *
 * @param cosSin F32 {@code [maxPositions, rotaryDim]}: row p holds {@code rotaryDim/2} cosines, then as many sines, of position p, any
 *     attention factor (YaRN, LongRoPE) already multiplied in
 * @param rotaryDim leading elements of a head that are rotated, even, at most headDim
 * @param interleaved pairs are (2i, 2i+1) as in GPT-J, else (i, i + rotaryDim/2) as in GPT-NeoX and Hugging Face models
 */
public record RopeTable(Tensor cosSin, int rotaryDim, boolean interleaved) {}
