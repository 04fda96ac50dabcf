package dev.apus.kernels.cuda;

/**
 * How the attention kernels of a head size divide shared memory.
 *
 * @param warps of a block of the decode kernel, each with a ring of its own
 * @param stages pages in a ring
 * @param blocks of the decode kernel that a multiprocessor is to hold
 * @param decodeShared bytes of dynamic shared memory of the decode kernel
 * @param prefillPages pages of keys in a tile of the prefill kernel
 * @param prefillThreads threads of a block of the prefill kernel
 * @param prefillShared bytes of its dynamic shared memory; may be more than the device has
 */
record AttentionTiling(
        int warps, int stages, int blocks, int decodeShared, int prefillPages, int prefillThreads, int prefillShared) {
    private static final int PAGE = CudaKvCache.BLOCK;
    /** Up to this head size registers let a warp of the prefill kernel have 32 rows, and two decode blocks share a multiprocessor. */
    private static final int TWO_TILES_HEAD = 128;

    /**
     * Four warps of three pages each keep 96 KB of heads of 128 in flight, twice a multiprocessor: the fastest of those measured on an
     * H200, as are four pages of fp8. Where that does not fit, rings and tiles are shortened, then warps given up.
     */
    static AttentionTiling of(int headDim, boolean fp8, int mostShared) {
        int pageBytes = PAGE * rowBytes(headDim * (fp8 ? 1 : 2));
        int warps = 4;
        int stages = fp8 ? 4 : 3;
        while (decodeShared(headDim, pageBytes, warps, stages) > mostShared && (stages > 2 || warps > 1)) {
            if (stages > 2) {
                stages--;
            } else {
                warps /= 2;
            }
        }
        boolean small = headDim <= TWO_TILES_HEAD;
        int pages = 4;
        while (pages > 1 && prefillShared(headDim, pageBytes, pages) > mostShared) {
            pages /= 2;
        }
        return new AttentionTiling(
                warps,
                stages,
                !small ? 1 : fp8 ? 3 : 2,
                decodeShared(headDim, pageBytes, warps, stages),
                pages,
                small ? 128 : 256,
                prefillShared(headDim, pageBytes, pages));
    }

    /** Rings of keys and values, or what the warps' results take that are merged in their place. */
    private static int decodeShared(int headDim, int pageBytes, int warps, int stages) {
        int rings = warps * stages * 2 * pageBytes;
        int results = warps * AttentionPlan.ITEM_ROWS * (headDim + 8 + 2) * Float.BYTES;
        return Math.max(rings, results);
    }

    /** Queries, two tiles of keys and two of values. */
    private static int prefillShared(int headDim, int pageBytes, int pages) {
        return AttentionPlan.TILE_ROWS * rowBytes(2 * headDim) + 4 * pages * pageBytes;
    }

    /** {@code ROW_STRIDE} of attention.cuh: rows of whole 128 bytes, or an odd number of 16. */
    private static int rowBytes(int bytes) {
        int chunks = bytes / 16;
        return 16 * (chunks % 8 == 0 ? chunks : chunks | 1);
    }
}
