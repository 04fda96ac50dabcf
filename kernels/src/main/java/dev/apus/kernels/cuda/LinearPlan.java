package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import org.jspecify.annotations.Nullable;

/**
 * Which kernel computes {@code out[rows, n] = x[rows, k] W[n, k]^T}. A matter of rows, shape, type and device alone, so a captured graph
 * and a step without one compute the same bits. The borders are those measured on an H200, weights read from memory, launches in a graph
 * with programmatic serialization, alone and in a stack of layers:
 *
 * <p>One row: {@code linear_gemv.cu}, 3.7 to 4.4 TB/s of a copy's 4.3, against cuBLAS' 2.5 to 4.2. Two to eight rows: {@code
 * linear_few.cu}, 3.4 to 4.4 TB/s, where x fits shared memory, else {@code linear_skinny.cu}. To 16 rows the same where a block has one
 * tile at most, else {@code linear_skinny.cu} with more stages: as fast as cuBLAS or up to a tenth faster, and unlike its kernels it starts
 * while the kernel ahead ends. Above: cuBLASLt.
 *
 * @param path kernel
 * @param variant tiling of {@link Path#VARIANT}, else null
 * @param tiles eights of rows that the variant is compiled for
 */
record LinearPlan(Path path, @Nullable LinearVariant variant, int tiles) {
    /** Kernels to choose from. */
    enum Path {
        /** {@code linear_gemv.cu}. */
        GEMV,
        /** {@code linear_few.cu} or {@code linear_skinny.cu}. */
        VARIANT,
        /** cuBLASLt; {@link #TILED} where there is none. */
        LIBRARY,
        /** {@code gemm.cu}. */
        TILED,
        /** {@code linear_any.cu}. */
        ANY
    }

    /**
     * What a plan depends on besides the product.
     *
     * @param multiprocessors of the device
     * @param capability of the device, 90 on Hopper
     * @param maxSharedBytes of a block
     * @param library whether cuBLASLt is there
     */
    record Device(int multiprocessors, int capability, int maxSharedBytes, boolean library) {}

    private static final int GEMV_ROWS = 4;
    private static final int FEW_ROWS = 16;
    /** One tile of the tensor core's columns: the exchange is small. */
    private static final int SKINNY_SPLIT_ROWS = 8;

    /** Rows up to which the skinny kernel beats the tiled one; where there is no library. */
    private static final int TILED_ROWS = 64;

    /** Sixteen warps share the k of 16 rows of W. */
    static final LinearVariant FEW = LinearVariant.resident(1, 1, 16, 4);
    /** Two blocks share the k of 64 rows. */
    static final LinearVariant FEW_SPLIT = LinearVariant.resident(2, 4, 4, 4);
    /** Streams x; tiles of 64 rows, k split in two. */
    static final LinearVariant SKINNY_SPLIT = LinearVariant.streaming(2, 4, 1, 4, 4, 128);
    /** Streams x; tiles of 32 rows. */
    static final LinearVariant SKINNY = LinearVariant.streaming(1, 2, 1, 4, 4, 128);

    /** Streams x of 9 to 16 rows; tiles of 32 rows. Six stages: x takes a third of each. */
    static final LinearVariant SKINNY_DEEP = LinearVariant.streaming(1, 2, 1, 4, 6, 128);
    /** The same with k split in two, where all tiles fit the device at once so. */
    static final LinearVariant SKINNY_DEEP_SPLIT = LinearVariant.streaming(2, 2, 1, 4, 6, 128);

    private static final LinearPlan ANY = new LinearPlan(Path.ANY, null, 0);
    private static final LinearPlan GEMV = new LinearPlan(Path.GEMV, null, 0);
    private static final LinearPlan TILED = new LinearPlan(Path.TILED, null, 0);
    private static final LinearPlan LIBRARY = new LinearPlan(Path.LIBRARY, null, 0);

    /**
     * Chooses.
     *
     * @param aligned whether rows of x and W start on 16 bytes
     * @param forLibrary whether shape and addresses suit cuBLASLt
     */
    static LinearPlan choose(Device device, DType type, int rows, int n, int k, boolean aligned, boolean forLibrary) {
        boolean library = device.library && forLibrary;
        if (!aligned) {
            return ANY;
        }
        boolean gemvFits = (long) rows * k * type.byteSize(1) <= device.maxSharedBytes;
        if (type == DType.F32) {
            return rows <= GEMV_ROWS && gemvFits ? GEMV : library ? LIBRARY : ANY;
        }
        if (rows == 1 && gemvFits) {
            return GEMV;
        }
        LinearPlan few = rows <= FEW_ROWS ? few(device, rows, n, k) : null;
        if (few != null) {
            return few;
        }
        if (rows == 2 && gemvFits) {
            return GEMV;
        }
        LinearPlan skinny = (library && rows > FEW_ROWS) || rows > TILED_ROWS ? null : skinny(device, rows, n, k);
        if (skinny != null) {
            return skinny;
        }
        return library ? LIBRARY : TILED;
    }

    private static @Nullable LinearPlan skinny(Device device, int rows, int n, int k) {
        boolean deep = rows > SKINNY_SPLIT_ROWS && rows <= FEW_ROWS;
        LinearVariant half = deep ? SKINNY_DEEP_SPLIT : SKINNY_SPLIT;
        // Many rows of W keep all multiprocessors busy without a split, which costs an exchange of sums for each tile.
        boolean split = rows <= SKINNY_SPLIT_ROWS || Math.ceilDiv(n, half.tileRows()) <= device.multiprocessors;
        LinearPlan plan = split ? variant(device, half, rows, k) : null;
        return plan != null ? plan : variant(device, deep ? SKINNY_DEEP : SKINNY, rows, k);
    }

    private static @Nullable LinearPlan few(Device device, int rows, int n, int k) {
        // Half of the multiprocessors' clusters of two at least have a tile, and none has two.
        boolean split = oneTileEach(device, n, FEW_SPLIT)
                && 4 * Math.ceilDiv(n, FEW_SPLIT.tileRows()) >= device.multiprocessors;
        LinearPlan plan = split ? variant(device, FEW_SPLIT, rows, k) : null;
        return plan != null || rows > SKINNY_SPLIT_ROWS ? plan : variant(device, FEW, rows, k);
    }

    private static boolean oneTileEach(Device device, int n, LinearVariant variant) {
        return Math.ceilDiv(n, variant.tileRows()) <= device.multiprocessors / variant.cluster();
    }

    private static @Nullable LinearPlan variant(Device device, LinearVariant variant, int rows, int k) {
        int tiles = tiles(rows);
        boolean fits = variant.sharedBytes(tiles, k) <= device.maxSharedBytes;
        boolean clusters = variant.cluster() == 1 || device.capability >= 90;
        return fits && clusters ? new LinearPlan(Path.VARIANT, variant, tiles) : null;
    }

    /** Eights of rows, 1, 2, 4 or 8: few, since each is compiled. */
    private static int tiles(int rows) {
        int eights = Math.ceilDiv(rows, LinearVariant.COLUMNS);
        return eights == 1 ? 1 : Integer.highestOneBit(eights - 1) << 1;
    }
}
