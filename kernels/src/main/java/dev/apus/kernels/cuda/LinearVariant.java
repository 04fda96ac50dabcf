package dev.apus.kernels.cuda;

import java.util.ArrayList;
import java.util.List;

/**
 * A way to tile a product of few rows: the defines of {@code linear_few.cu} or {@code linear_skinny.cu}.
 *
 * @param resident whether a block keeps its slice of x in shared memory ({@code linear_few.cu}) or streams it beside W
 *     ({@code linear_skinny.cu})
 * @param cluster blocks that share the k of a tile; above 1 only on Hopper and later
 * @param warpsN warps beside each other along the rows of W
 * @param warpTiles 16-row tiles of a warp
 * @param warpsK warps that share k
 * @param stages stages of W under way
 * @param stageK k of a stage
 */
record LinearVariant(boolean resident, int cluster, int warpsN, int warpTiles, int warpsK, int stages, int stageK) {
    /** Columns of the tensor core's operand: rows of x come in eights. */
    static final int COLUMNS = 8;

    private static final int TENSOR_ROWS = 16;

    static LinearVariant resident(int cluster, int warpsN, int warpsK, int stages) {
        return new LinearVariant(true, cluster, warpsN, 1, warpsK, stages, 64);
    }

    static LinearVariant streaming(int cluster, int warpsN, int warpTiles, int warpsK, int stages, int stageK) {
        return new LinearVariant(false, cluster, warpsN, warpTiles, warpsK, stages, stageK);
    }

    String resource() {
        return resident ? "linear_few.cu" : "linear_skinny.cu";
    }

    String kernel() {
        return resident ? "linear_few" : "linear_skinny";
    }

    /** Rows of W of a tile. */
    int tileRows() {
        return TENSOR_ROWS * warpTiles * warpsN;
    }

    int threads() {
        return 32 * warpsN * warpsK;
    }

    /** Dynamic shared memory of a block for x of {@code 8 * tiles} rows and {@code k} columns: as the sources lay it out. */
    long sharedBytes(int tiles, int k) {
        long columns = (long) COLUMNS * tiles;
        long partial = 4L * cluster * warpsK * columns * (tileRows() / cluster + 4);
        if (!resident) {
            return stages * (tileRows() + columns) * 2L * stageK + partial;
        }
        long slice = Math.ceilDiv(Math.ceilDiv(k, stageK), cluster);
        long ring = (long) warpsN * warpsK * stages * TENSOR_ROWS * stageK * 2;
        return ring + columns * (slice * stageK * 2 + 64) + partial;
    }

    /**
     * Blocks to launch: as many as the device holds at once, or fewer if there are fewer tiles.
     *
     * @param blocksPerMultiprocessor that fit beside each other
     */
    int blocks(int n, int multiprocessors, int blocksPerMultiprocessor) {
        // Clusters of four must lie within one of Hopper's graphics clusters of 16 or 18 multiprocessors: a few of
        // these stay empty.
        int clusters = cluster <= 2 ? multiprocessors / cluster : multiprocessors / 16 * 16 / cluster;
        return Math.max(1, Math.min(clusters * blocksPerMultiprocessor, Math.ceilDiv(n, tileRows()))) * cluster;
    }

    /** The defines that make it, for x of {@code 8 * tiles} rows: names and values in turn. */
    Object[] defines(int tiles) {
        List<Object> defines = new ArrayList<>(
                List.of("TILES", tiles, "CLUSTER", cluster, "WARPS_N", warpsN, "WARPS_K", warpsK, "STAGES", stages));
        if (!resident) {
            defines.addAll(List.of("WARP_TILES", warpTiles, "STAGE_K", stageK));
        }
        return defines.toArray();
    }
}
