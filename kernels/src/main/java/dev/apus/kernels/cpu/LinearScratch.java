package dev.apus.kernels.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** One thread's working memory for linear layers; shared by all layers of a backend, whose kernels run one after the other. */
final class LinearScratch {
    /** Inputs of a step of matrix times matrix: 128 * 32 floats of weight fill half an L1 cache of 32 KiB. */
    static final int TILE_INPUTS = 128;

    private final Arena arena;

    /** A step of a panel as floats, {@code [TILE_INPUTS][WIDTH]}. */
    final MemorySegment weights;

    /** A group's scales, {@code [WIDTH]}. */
    final float[] lines = new float[Panels.WIDTH];

    /** Running sums, {@code [rows][WIDTH]}. */
    private float[] sums = new float[PanelTile.ROWS * Panels.WIDTH];

    /** Running sums of the corrections, as large. */
    private float[] correctionSums = sums.clone();

    private MemorySegment corrections = MemorySegment.NULL;
    private MemorySegment sums16 = MemorySegment.NULL;
    private MemorySegment sums32 = MemorySegment.NULL;

    LinearScratch(Arena arena) {
        this.arena = arena;
        weights = NativeMemory.allocate(arena, TILE_INPUTS * Panels.ROW);
    }

    /** Running sums for at least the rows last reserved. */
    float[] sums() {
        return sums;
    }

    float[] correctionSums() {
        return correctionSums;
    }

    /** What a panel's groups add for each unit of their inputs' sum, {@code [groups][WIDTH]}: b of {@link CodePanels}. */
    MemorySegment corrections() {
        return corrections;
    }

    /** Makes room for the sums of that many rows and the corrections of that many groups. */
    void reserve(int rows, int groups) {
        if (sums.length < rows * Panels.WIDTH) {
            sums = new float[rows * Panels.WIDTH];
            correctionSums = new float[rows * Panels.WIDTH];
        }
        if (corrections.byteSize() < groups * Panels.ROW) {
            corrections = NativeMemory.allocate(arena, groups * Panels.ROW);
        }
    }

    /** Sums of every {@code group} inputs, 16 or 32, {@code [rows][inFeatures / group]}; all threads share the first thread's. */
    MemorySegment inputSums(int group) {
        return group == 16 ? sums16 : sums32;
    }

    /** Makes room for that many floats in {@link #inputSums}; doubling bounds what outgrown memory, freed with the arena, adds up to. */
    MemorySegment reserveInputSums(int group, long floats) {
        MemorySegment present = inputSums(group);
        return present.byteSize() >= 4 * floats
                ? present
                : NativeMemory.allocate(arena, Math.max(4 * floats, 2 * present.byteSize()));
    }

    void shareInputSums(int group, MemorySegment shared) {
        if (group == 16) {
            sums16 = shared;
        } else {
            sums32 = shared;
        }
    }
}
