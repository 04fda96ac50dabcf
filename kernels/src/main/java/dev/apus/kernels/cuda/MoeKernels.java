package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import dev.apus.kernels.Linear;
import dev.apus.kernels.MoeShape;
import dev.apus.kernels.MoeWeights;
import dev.apus.kernels.cuda.ffi.CudaLaunch;
import java.lang.foreign.ValueLayout;
import java.util.IdentityHashMap;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Mixtures of experts: routing, a plan of tiles made on the device, the experts' products and the weighted sum. No launch depends on a
 * size that only the device knows, so a step can be captured; the first call of each mixture, and of each larger step, must come before
 * that, for it allocates.
 */
final class MoeKernels implements AutoCloseable {
    /** Tokens that are done at once: bounds the memory between the products, while experts still get full tiles. */
    private static final int MOST_TOKENS = 4096;
    /** Lanes of the warp that routes a token: each keeps one of its experts... */
    private static final int MOST_TOP_K = 32;
    /** ...and looks after sixteen of all. */
    private static final int MOST_EXPERTS = 512;
    /** Tokens of a block of {@code moe_route}: a warp each. */
    private static final int ROUTE_TOKENS = 4;

    private static final int ROUTE_THREADS = 128;
    private static final int PLAN_THREADS = 1024;
    private static final int THREADS = 256;
    /** Pairs and columns of a block of the plain products. */
    private static final int PLAIN_TILE = 32;

    /** Device addresses of a mixture's weights: arrays of pointers, an expert each; 0 where no expert has a bias. */
    private record Tables(long gateUp, long gateUpBias, long down, long downBias, boolean aligned) {}

    /** What lies between the launches of one mixture; the next one uses it again. Sizes are those it is large enough for. */
    private record Scratch(
            long bytes, int tokens, long chosen, long weights, long sorted, long tiles, long inner, long outputs) {}

    private final KernelContext context;
    private final LinearKernels kernels;
    private final IdentityHashMap<MoeWeights, Tables> tables = new IdentityHashMap<>();
    private final long unit;
    private long memory;
    private long memoryBytes;

    /** @param kernels compiles and keeps the kernels; closed by its owner, after this */
    MoeKernels(KernelContext context, LinearKernels kernels) {
        this.context = context;
        this.kernels = kernels;
        unit = context.activation().byteSize(1);
    }

    /**
     * Device memory that {@link #moe} needs for a step of up to {@code tokens} tokens, shared by all mixtures; allocated at the first call.
     *
     * @param unit bytes of an activation
     */
    static long scratchBytes(int tokens, int hidden, MoeShape shape, long unit) {
        return scratch(0, Math.min(tokens, MOST_TOKENS), hidden, shape, unit).bytes;
    }

    /** Bytes of a layer's addresses: weights and biases of the two products of each expert. */
    static long tableBytes(int experts) {
        return 4L * experts * Long.BYTES;
    }

    private static Scratch scratch(long base, int tokens, int hidden, MoeShape shape, long unit) {
        long pairs = (long) tokens * shape.topK();
        long weights = base + aligned(4 * pairs);
        long sorted = weights + aligned(4 * pairs);
        long tiles = sorted + aligned(4 * pairs);
        long inner = tiles + aligned(4 * (1 + 3 * (pairs + shape.experts())));
        long outputs = inner + aligned(pairs * shape.intermediate() * unit);
        long end = outputs + aligned(pairs * hidden * unit);
        return new Scratch(end - base, tokens, base, weights, sorted, tiles, inner, outputs);
    }

    private static long aligned(long bytes) {
        return (bytes + 255) / 256 * 256;
    }

    /** See {@link dev.apus.kernels.Kernels#moe}. */
    void moe(CudaTensor out, CudaTensor x, CudaTensor logits, MoeWeights weights, MoeShape shape, int rows) {
        check(out, x, logits, weights, shape, rows);
        int hidden = Math.toIntExact(x.dim(1));
        Tables pointers = tables.computeIfAbsent(weights, this::upload);
        int tokens = (int) Math.min(Math.min(x.dim(0), out.dim(0)), MOST_TOKENS);
        Scratch scratch = scratch(reserve(scratchBytes(tokens, hidden, shape, unit)), tokens, hidden, shape, unit);
        for (int from = 0; from < rows; from += tokens) {
            part(
                    out.address() + (long) from * hidden * unit,
                    x.address() + (long) from * hidden * unit,
                    logits.address() + 4L * from * shape.experts(),
                    pointers,
                    shape,
                    Math.min(tokens, rows - from),
                    hidden,
                    scratch);
        }
    }

    private void part(
            long out, long x, long logits, Tables pointers, MoeShape shape, int rows, int hidden, Scratch scratch) {
        int pairs = rows * shape.topK();
        boolean tensorCores = context.activation() == DType.BF16
                && pointers.aligned
                && hidden % 8 == 0
                && shape.intermediate() % 8 == 0
                && x % 16 == 0;
        GemmTile tile = tensorCores
                ? GemmTile.ofExperts(pairs, shape.experts(), context.device().maxSharedBytes())
                : null;
        int tileRows = tile == null ? PLAIN_TILE : tile.rows();
        // Every expert may end in a tile that is not full, but no more tiles than pairs.
        int tiles = Math.min(pairs, pairs / tileRows + shape.experts());
        route(logits, shape, rows, pairs, tileRows, scratch);
        gateUp(x, pointers, shape, hidden, tile, tiles, scratch);
        down(pointers, shape, hidden, tile, tiles, scratch);
        boolean wide = hidden % 4 == 0 && out % 16 == 0;
        context.args()
                .clear()
                .address(out)
                .address(scratch.outputs)
                .address(scratch.weights)
                .i32(hidden)
                .i32(shape.topK());
        kernels.function("moe.cu", wide ? "moe_combine_4" : "moe_combine_1")
                .launch(
                        context.stream(),
                        Math.ceilDiv(hidden, THREADS * (wide ? 4 : 1)),
                        rows,
                        1,
                        THREADS,
                        0,
                        context.args());
    }

    private void route(long logits, MoeShape shape, int rows, int pairs, int tileRows, Scratch scratch) {
        // A softmax over the chosen logits is the softmax over all of them, renormalised.
        boolean overAll = shape.softmaxFirst() && !shape.renormalize();
        context.args()
                .clear()
                .address(scratch.chosen)
                .address(scratch.weights)
                .address(logits)
                .i32(rows)
                .i32(shape.experts())
                .i32(shape.topK())
                .i32(overAll ? 1 : 0);
        kernels.function("moe.cu", "moe_route")
                .launch(context.stream(), Math.ceilDiv(rows, ROUTE_TOKENS), 1, 1, ROUTE_THREADS, 0, context.args());
        context.args()
                .clear()
                .address(scratch.sorted)
                .address(scratch.tiles)
                .address(scratch.chosen)
                .i32(pairs)
                .i32(shape.experts())
                .i32(tileRows);
        kernels.function("moe.cu", "moe_plan")
                .launch(context.stream(), 1, 1, 1, PLAN_THREADS, 8 * shape.experts(), context.args());
    }

    private void gateUp(
            long x, Tables pointers, MoeShape shape, int hidden, @Nullable GemmTile tile, int tiles, Scratch scratch) {
        context.args()
                .clear()
                .address(scratch.inner)
                .address(x)
                .address(pointers.gateUp)
                .address(pointers.gateUpBias)
                .address(scratch.tiles)
                .address(scratch.sorted)
                .i32(shape.topK())
                .i32(shape.intermediate())
                .i32(hidden)
                .i32(PointwiseKernels.number(shape.activation()));
        launch("moe_gate_up", tile, tiles, shape.intermediate(), 2);
    }

    private void down(
            Tables pointers, MoeShape shape, int hidden, @Nullable GemmTile tile, int tiles, Scratch scratch) {
        context.args()
                .clear()
                .address(scratch.outputs)
                .address(scratch.inner)
                .address(pointers.down)
                .address(pointers.downBias)
                .address(scratch.tiles)
                .address(scratch.sorted)
                .i32(hidden)
                .i32(shape.intermediate());
        launch("moe_down", tile, tiles, hidden, 1);
    }

    /** Launches a product of {@code parts} rows of W for each of {@code n} outputs. */
    private void launch(String kernel, @Nullable GemmTile tile, int tiles, int n, int parts) {
        if (tile == null) {
            kernels.function("moe.cu", kernel + "_plain")
                    .launch(context.stream(), tiles, Math.ceilDiv(n, PLAIN_TILE), 1, THREADS, 0, context.args());
        } else {
            kernels.function("gemm.cu", kernel, tile.defines())
                    .launch(
                            context.stream(),
                            tiles,
                            Math.ceilDiv(parts * n, tile.columns()),
                            1,
                            tile.threads(),
                            tile.sharedBytes(),
                            context.args());
        }
    }

    private void check(CudaTensor out, CudaTensor x, CudaTensor logits, MoeWeights weights, MoeShape shape, int rows) {
        DType type = context.activation();
        int experts = shape.experts();
        if (shape.topK() < 1 || shape.topK() > Math.min(MOST_TOP_K, experts) || experts > MOST_EXPERTS) {
            throw new IllegalArgumentException("a mixture of " + experts + " experts with " + shape.topK()
                    + " for a token; up to " + MOST_EXPERTS + " experts and " + MOST_TOP_K
                    + " for a token, no more than there are, are supported");
        }
        boolean types = out.dtype() == type && x.dtype() == type && logits.dtype() == DType.F32;
        boolean shapes = x.rank() == 2
                && out.rank() == 2
                && logits.rank() == 2
                && out.dim(1) == x.dim(1)
                && logits.dim(1) == experts
                && rows >= 0
                && rows <= Math.min(Math.min(out.dim(0), x.dim(0)), logits.dim(0));
        if (!types
                || !shapes
                || weights.gateUp().size() != experts
                || weights.down().size() != experts) {
            throw new IllegalArgumentException("a mixture of " + shape + " over " + rows + " rows from " + x
                    + " with router logits " + logits + " to " + out + ", weights of "
                    + weights.gateUp().size() + " and "
                    + weights.down().size() + " experts; activations must be " + type + ", logits F32 of " + experts);
        }
    }

    /** Brings the addresses of a mixture's weights to the device; the first time it is met. */
    private Tables upload(MoeWeights weights) {
        refuseCapture("a mixture of experts");
        List<Linear> gateUp = weights.gateUp();
        List<Linear> down = weights.down();
        int experts = gateUp.size();
        long base = context.device().allocate(tableBytes(experts));
        boolean aligned = true;
        boolean gateUpBias = false;
        boolean downBias = false;
        try (PinnedMemory pinned = PinnedMemory.allocate(context.device(), 4L * experts * Long.BYTES)) {
            for (int e = 0; e < experts; e++) {
                CudaLinear up = expert(gateUp.get(e), gateUp.getFirst());
                CudaLinear back = expert(down.get(e), down.getFirst());
                long[] addresses = {up.address(), up.bias(), back.address(), back.bias()};
                for (int i = 0; i < addresses.length; i++) {
                    pinned.segment().setAtIndex(ValueLayout.JAVA_LONG, (long) i * experts + e, addresses[i]);
                }
                aligned &= (up.address() | back.address()) % 16 == 0;
                gateUpBias |= up.bias() != 0;
                downBias |= back.bias() != 0;
            }
            context.stream().upload(base, pinned.segment(), 4L * experts * Long.BYTES);
            context.stream().synchronize();
        }
        long table = (long) experts * Long.BYTES;
        return new Tables(
                base, gateUpBias ? base + table : 0, base + 2 * table, downBias ? base + 3 * table : 0, aligned);
    }

    private CudaLinear expert(Linear linear, Linear first) {
        if (linear instanceof CudaLinear cuda
                && cuda.dtype() == context.activation()
                && cuda.outFeatures() == first.outFeatures()
                && cuda.inFeatures() == first.inFeatures()) {
            return cuda;
        }
        throw new IllegalArgumentException("an expert's weight is " + linear + "; all must be of this backend, in "
                + context.activation() + " and of one shape: " + first);
    }

    private long reserve(long bytes) {
        if (memoryBytes < bytes) {
            refuseCapture("a larger step of a mixture of experts");
            if (memory != 0) {
                context.stream().synchronize();
                context.device().free(memory);
                memory = 0;
                memoryBytes = 0;
            }
            memory = context.device().allocate(bytes);
            memoryBytes = bytes;
        }
        return memory;
    }

    private void refuseCapture(String what) {
        if (CudaLaunch.isCapturing(context.stream().handle())) {
            throw new IllegalStateException(
                    what + " is first met during the capture of a graph and needs memory; run a step"
                            + " of this shape before it is captured");
        }
    }

    @Override
    public void close() {
        context.stream().synchronize();
        tables.values().forEach(t -> context.device().free(t.gateUp));
        tables.clear();
        if (memory != 0) {
            context.device().free(memory);
            memory = 0;
            memoryBytes = 0;
        }
    }
}
