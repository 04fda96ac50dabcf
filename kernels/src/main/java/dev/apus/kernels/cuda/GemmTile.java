package dev.apus.kernels.cuda;

/**
 * A tiling of {@code gemm.cu}.
 *
 * @param rows of x that a block computes
 * @param columns rows of W that a block computes
 * @param warpsM warps along the rows of x
 * @param warpsN warps along the rows of W
 * @param stages stages of 64 k under way
 */
record GemmTile(int rows, int columns, int warpsM, int warpsN, int stages) {
    private static final int STAGE_ROW_BYTES = 128;

    private static final GemmTile SMALL = new GemmTile(16, 64, 1, 4, 8);
    private static final GemmTile NARROW = new GemmTile(32, 128, 1, 4, 4);
    private static final GemmTile MIDDLE = new GemmTile(64, 128, 2, 4, 4);
    private static final GemmTile LARGE = new GemmTile(128, 256, 2, 4, 3);
    /** For devices whose blocks have less than LARGE's 147,456 bytes of shared memory. */
    private static final GemmTile LARGE_OF_99_KB = new GemmTile(128, 128, 2, 4, 3);

    /** Tiling of a linear layer: as many blocks as the device has multiprocessors come before large tiles. */
    static GemmTile ofLinear(int rows, int maxSharedBytes) {
        return rows <= 512 ? MIDDLE : large(maxSharedBytes);
    }

    /**
     * Tiling of a mixture's experts: rows of a tile that are not filled are computed all the same.
     *
     * @param pairs tokens times the experts of each
     */
    static GemmTile ofExperts(int pairs, int experts, int maxSharedBytes) {
        int mean = pairs / experts;
        if (mean <= 8) {
            return SMALL;
        }
        return mean <= 24 ? NARROW : mean <= 128 ? MIDDLE : large(maxSharedBytes);
    }

    private static GemmTile large(int maxSharedBytes) {
        return LARGE.sharedBytes() <= maxSharedBytes ? LARGE : LARGE_OF_99_KB;
    }

    int threads() {
        return 32 * warpsM * warpsN;
    }

    int sharedBytes() {
        return stages * (rows + columns) * STAGE_ROW_BYTES;
    }

    /** The defines that make it: names and values in turn. */
    Object[] defines() {
        return new Object[] {"BM", rows, "BN", columns, "WARPS_M", warpsM, "WARPS_N", warpsN, "STAGES", stages};
    }
}
