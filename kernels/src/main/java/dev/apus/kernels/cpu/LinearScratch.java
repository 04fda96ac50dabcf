package dev.apus.kernels.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** One thread's working memory for linear layers; shared by all layers of a backend, whose kernels run one after the other. */
final class LinearScratch {
    /** Inputs of a step of matrix times matrix: 128 * 32 floats of weight fill half an L1 cache of 32 KiB. */
    static final int TILE_INPUTS = 128;

    /** Inputs of a step of matrix times vector, which keeps only scales in the L1 cache: two panels' are 12 KiB. */
    static final int VECTOR_INPUTS = 768;

    /** A step of a panel as floats, {@code [TILE_INPUTS][WIDTH]}. */
    final MemorySegment weights;

    /** Scales and offsets of a step of two panels, {@code [2][VECTOR_INPUTS / 32][2][WIDTH]}. */
    final MemorySegment lines;

    /** Running sums, {@code [rows][WIDTH]}, at least four rows. */
    private float[] sums;

    LinearScratch(Arena arena) {
        weights = NativeMemory.allocate(arena, TILE_INPUTS * Panels.ROW);
        lines = NativeMemory.allocate(arena, 2 * VECTOR_INPUTS / CodePanels.HALF_GROUP * CodePanels.LINE);
        sums = new float[8 * Panels.WIDTH];
    }

    /** Running sums for at least the rows last reserved. */
    float[] sums() {
        return sums;
    }

    /** Makes room for the sums of that many rows. */
    void reserve(int rows) {
        if (sums.length < rows * Panels.WIDTH) {
            sums = new float[rows * Panels.WIDTH];
        }
    }
}
