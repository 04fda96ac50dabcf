package dev.apus.kernels.cpu;

import java.lang.foreign.MemorySegment;

/**
 * Weight rows of one stored format, repacked for vectors that hold outputs side by side: a panel is {@value #WIDTH} rows whose values
 * for one input lie next to each other. Rows that fill up the last panel are zero.
 *
 * <p>Every way through a panel computes {@code sum = fma(x, w, sum)} over ascending inputs, w being the weight as float, one lane per
 * output, so that all end in the same bits.
 */
abstract sealed class Panels permits CodePanels, HalfPanels, FloatPanels {
    /** Rows of a panel: two vectors of 512 bits, so that one load of an input serves two products. */
    static final int WIDTH = 32;

    /** Bytes of one input's floats in a panel. */
    static final long ROW = 4L * WIDTH;

    /** Outputs that kernels take at once: two vectors. */
    static final int STRIP = 2 * VectorMath.LANES;

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

    /** Multiplies one panel with one row, whose first input is at byte {@code xAt}, into row 0 of the scratch memory's sums. */
    abstract void single(int panel, MemorySegment x, long xAt, LinearScratch scratch);

    /**
     * Writes inputs {@code from} to {@code from + count} of one panel, at most {@link LinearScratch#TILE_INPUTS} and whole groups, to the
     * scratch memory as floats, {@code [count][WIDTH]}.
     */
    abstract void unpack(int panel, int from, int count, LinearScratch scratch);

    /** One weight. */
    abstract float value(int row, int input);

    abstract long byteSize();
}
