package dev.apus.kernels.cpu;

import java.lang.foreign.MemorySegment;

/**
 * Weight rows of one stored format, repacked for vectors that hold outputs side by side: a panel is {@value #WIDTH} rows whose values
 * for one input lie next to each other. Rows that fill up the last panel are zero.
 *
 * <p>With {@code w} a weight as float, every method below computes {@code sum = fma(x, w, sum)} over ascending inputs, one lane per
 * output, so that all of them, in any mix of steps, end in the same bits. A step is inputs {@code from} to {@code from + count}; sums
 * are taken from and left in the scratch memory's rows of {@value #WIDTH} floats.
 */
abstract sealed class Panels permits CodePanels, HalfPanels, FloatPanels {
    /** Rows of a panel: two vectors of 512 bits, so that one load of an input serves two products. */
    static final int WIDTH = 32;

    /** Bytes of one input's floats in a panel. */
    static final long ROW = 4L * WIDTH;

    /** Bytes of the outputs that kernels take at once: two vectors. */
    static final long STRIP = 8L * VectorMath.LANES;

    /** Whether a pair of panels fits the registers: 4 sums, 4 codes, 8 scales and offsets and constants need AVX-512's 32. */
    static final boolean PAIRS = VectorMath.LANES == 16;

    final int rows;
    final int inFeatures;

    Panels(int rows, int inFeatures) {
        this.rows = rows;
        this.inFeatures = inFeatures;
    }

    final int panels() {
        return count(rows);
    }

    static int count(int rows) {
        return (rows + WIDTH - 1) / WIDTH;
    }

    /** Multiplies a step of one panel with one row: sums row 0. {@code xAt} is the byte offset of input {@code from}. */
    abstract void one(int panel, int from, int count, MemorySegment x, long xAt, LinearScratch scratch);

    /** As {@link #one} for two neighbouring panels: sums rows 0 and 1. */
    abstract void pair(int panel, int from, int count, MemorySegment x, long xAt, LinearScratch scratch);

    /** Multiplies a step of one panel with four rows: sums rows 0 to 3. */
    abstract void four(
            int panel, int from, int count, MemorySegment x, long x0, long x1, long x2, long x3, LinearScratch scratch);

    /** Writes a step of one panel, at most {@link LinearScratch#TILE_INPUTS} inputs, to the scratch memory as floats. */
    abstract void unpack(int panel, int from, int count, LinearScratch scratch);

    /** One weight. */
    abstract float value(int row, int input);

    abstract long byteSize();
}
