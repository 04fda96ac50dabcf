package dev.apus.kernels.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** One thread's working memory for linear layers; shared by all layers of a backend, whose kernels run one after the other. */
final class LinearScratch {
    /** Inputs of a step of matrix times matrix: 128 * 32 floats of weight fill half an L1 cache of 32 KiB. */
    static final int TILE_INPUTS = 128;

    /** A step of a panel as floats, {@code [TILE_INPUTS][WIDTH]}. */
    final MemorySegment weights;

    /** Lines of a group, {@code [2][WIDTH]}. */
    final float[] lines = new float[2 * Panels.WIDTH];

    /** Running sums, {@code [rows][WIDTH]}. */
    private float[] sums = new float[PanelTile.ROWS * Panels.WIDTH];

    LinearScratch(Arena arena) {
        weights = NativeMemory.allocate(arena, TILE_INPUTS * Panels.ROW);
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
