package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import dev.apus.kernels.cuda.ffi.CublasLt;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Linear layers: picks the kernel by {@link LinearPlan} and launches it. Kernels are compiled at their first use, which for every row count
 * that is going to be captured in a graph must come before that capture; {@link #prefetch} starts compiling the usual ones.
 */
final class LinearKernels implements AutoCloseable {
    /** The sources' flags of the epilogue. */
    private static final int ACCUMULATE = 1;

    private static final int OUT_F32 = 2;
    /** Blocks of {@code linear_gemv.cu} that fit a multiprocessor, and their threads. */
    private static final int GEMV_BLOCKS = 2;

    private static final int GEMV_THREADS = 512;
    /** Tile of {@code linear_any.cu}, and its threads. */
    private static final int ANY_TILE = 32;

    private static final int THREADS = 256;

    private final KernelContext context;
    private final LinearPlan.Device device;
    private final @Nullable LibraryProducts library;
    private final Map<String, KernelModule> modules = new HashMap<>();
    private final Map<String, CudaFunction> functions = new HashMap<>();
    /** Blocks of a kernel that fit a multiprocessor. */
    private final Map<Occupancy, Integer> occupancies = new HashMap<>();

    private record Occupancy(CudaFunction kernel, int sharedBytes) {}

    LinearKernels(KernelContext context) {
        this.context = context;
        CudaDevice gpu = context.device();
        boolean found = CublasLt.library().isPresent();
        library = found ? new LibraryProducts(context) : null;
        device = new LinearPlan.Device(gpu.multiprocessors(), gpu.capability(), gpu.maxSharedBytes(), found);
        prefetch();
    }

    /** Whether cuBLASLt is there. */
    boolean hasLibrary() {
        return library != null;
    }

    private void prefetch() {
        KernelCompiler compiler = context.compiler();
        var unused = compiler.prefetch("linear_gemv.cu", context.defines());
        unused = compiler.prefetch("linear_any.cu", context.defines());
        if (context.activation() == DType.BF16) {
            prefetch(1, LinearPlan.FEW, LinearPlan.FEW_SPLIT, LinearPlan.SKINNY_SPLIT, LinearPlan.SKINNY);
            prefetch(2, LinearPlan.FEW_SPLIT, LinearPlan.SKINNY_DEEP, LinearPlan.SKINNY_DEEP_SPLIT);
        }
    }

    private void prefetch(int tiles, LinearVariant... variants) {
        for (LinearVariant variant : variants) {
            if (variant.cluster() == 1 || device.capability() >= 90) {
                var _ = context.compiler().prefetch(variant.resource(), context.defines(variant.defines(tiles)));
            }
        }
    }

    /**
     * {@code out[rows, n] (=|+=) x[rows, k] W[n, k]^T + bias}.
     *
     * @param out {@code [at least rows, n]}, of the activations' type or F32
     * @param x {@code [at least rows, k]}, of the activations' type
     * @param weight of the activations' type
     * @param add whether the product is added to {@code out}
     */
    void linear(CudaTensor out, CudaTensor x, CudaLinear weight, int rows, boolean add) {
        check(out, x, weight, rows);
        if (rows == 0) {
            return;
        }
        int n = weight.outFeatures();
        int k = weight.inFeatures();
        DType type = weight.dtype();
        boolean aligned = type.byteSize(k) % 16 == 0 && (x.address() | weight.address()) % 16 == 0;
        boolean forLibrary = LibraryProducts.applies(out.address(), x.address(), weight);
        LinearPlan plan = LinearPlan.choose(device, type, rows, n, k, aligned, forLibrary);
        int flags = (add ? ACCUMULATE : 0) | (out.dtype() == DType.F32 ? OUT_F32 : 0);
        switch (plan.path()) {
            case GEMV -> gemv(out, x, weight, rows, flags);
            case VARIANT -> variant(out, x, weight, rows, flags, Objects.requireNonNull(plan.variant()), plan.tiles());
            case LIBRARY -> library(out, x, weight, rows, flags);
            case TILED -> tiled(out, x, weight, weight.bias(), rows, flags);
            case ANY -> any(out, x, weight, weight.bias(), rows, flags);
        }
    }

    private void check(CudaTensor out, CudaTensor x, CudaLinear weight, int rows) {
        DType type = context.activation();
        boolean types =
                x.dtype() == type && weight.dtype() == type && (out.dtype() == type || out.dtype() == DType.F32);
        boolean shapes = out.rank() == 2
                && x.rank() == 2
                && out.dim(1) == weight.outFeatures()
                && x.dim(1) == weight.inFeatures()
                && rows >= 0
                && rows <= out.dim(0)
                && rows <= x.dim(0);
        if (!types || !shapes) {
            throw new IllegalArgumentException(
                    "a linear layer of " + rows + " rows with weight " + weight + " from " + x
                            + " to " + out + "; needed are x [>= " + rows + ", " + weight.inFeatures()
                            + "] and weight in " + type
                            + ", out [>= " + rows + ", " + weight.outFeatures() + "] in " + type + " or F32");
        }
    }

    private void gemv(CudaTensor out, CudaTensor x, CudaLinear weight, int rows, int flags) {
        CudaFunction kernel = function("linear_gemv.cu", "linear_gemv_" + rows);
        int blocks = Math.min(GEMV_BLOCKS * device.multiprocessors(), weight.outFeatures());
        int shared = Math.toIntExact(weight.dtype().byteSize((long) rows * weight.inFeatures()));
        operands(out, x, weight, weight.bias())
                .i32(weight.outFeatures())
                .i32(weight.inFeatures())
                .i32(flags);
        kernel.launch(context.stream(), blocks, 1, 1, GEMV_THREADS, shared, context.args());
    }

    private void variant(
            CudaTensor out, CudaTensor x, CudaLinear weight, int rows, int flags, LinearVariant variant, int tiles) {
        CudaFunction kernel = function(variant.resource(), variant.kernel(), variant.defines(tiles));
        int shared = Math.toIntExact(variant.sharedBytes(tiles, weight.inFeatures()));
        int fitting = occupancies.computeIfAbsent(
                new Occupancy(kernel, shared),
                key -> Math.max(1, kernel.blocksPerMultiprocessor(variant.threads(), shared)));
        int blocks = variant.blocks(weight.outFeatures(), device.multiprocessors(), fitting);
        shaped(out, x, weight, weight.bias(), rows, flags);
        kernel.launch(context.stream(), blocks, 1, 1, variant.threads(), shared, context.args());
    }

    private void library(CudaTensor out, CudaTensor x, CudaLinear weight, int rows, int flags) {
        LibraryProducts products = Objects.requireNonNull(library);
        boolean add = (flags & ACCUMULATE) != 0;
        if (weight.bias() != 0) {
            // cuBLASLt would take a bias of the output's type only; ours is F32.
            context.args()
                    .clear()
                    .address(out.address())
                    .address(weight.bias())
                    .i32(weight.outFeatures())
                    .i32(flags);
            function("linear_any.cu", "linear_bias")
                    .launch(
                            context.stream(),
                            Math.ceilDiv(weight.outFeatures(), THREADS),
                            rows,
                            1,
                            THREADS,
                            0,
                            context.args());
            add = true;
        }
        if (!products.multiply(out.address(), out.dtype(), x.address(), weight, rows, add)) {
            int left = add ? flags | ACCUMULATE : flags;
            if (weight.dtype() == DType.F32) {
                any(out, x, weight, 0, rows, left);
            } else {
                tiled(out, x, weight, 0, rows, left);
            }
        }
    }

    private void tiled(CudaTensor out, CudaTensor x, CudaLinear weight, long bias, int rows, int flags) {
        GemmTile tile = GemmTile.ofLinear(rows, device.maxSharedBytes());
        CudaFunction kernel = function("gemm.cu", "linear_tiled", tile.defines());
        shaped(out, x, weight, bias, rows, flags);
        kernel.launch(
                context.stream(),
                Math.ceilDiv(rows, tile.rows()),
                Math.ceilDiv(weight.outFeatures(), tile.columns()),
                1,
                tile.threads(),
                tile.sharedBytes(),
                context.args());
    }

    private void any(CudaTensor out, CudaTensor x, CudaLinear weight, long bias, int rows, int flags) {
        CudaFunction kernel = function("linear_any.cu", "linear_any");
        shaped(out, x, weight, bias, rows, flags);
        kernel.launch(
                context.stream(),
                Math.ceilDiv(weight.outFeatures(), ANY_TILE),
                Math.ceilDiv(rows, ANY_TILE),
                1,
                THREADS,
                0,
                context.args());
    }

    private LaunchArgs operands(CudaTensor out, CudaTensor x, CudaLinear weight, long bias) {
        return context.args()
                .clear()
                .address(out.address())
                .address(x.address())
                .address(weight.address())
                .address(bias);
    }

    private void shaped(CudaTensor out, CudaTensor x, CudaLinear weight, long bias, int rows, int flags) {
        operands(out, x, weight, bias)
                .i32(rows)
                .i32(weight.outFeatures())
                .i32(weight.inFeatures())
                .i32(flags);
    }

    /** A kernel, compiled and loaded at its first use, allowed all the shared memory of a block. */
    CudaFunction function(String resource, String kernel, Object... defines) {
        Map<String, String> all = context.defines(defines);
        return functions.computeIfAbsent(resource + kernel + all, key -> {
            CudaFunction made = modules.computeIfAbsent(
                            resource + all, module -> context.compiler().load(resource, all))
                    .function(kernel);
            if (!resource.equals("linear_any.cu") && !resource.equals("moe.cu")) {
                made.allowShared(device.maxSharedBytes());
            }
            return made;
        });
    }

    @Override
    public void close() {
        if (library != null) {
            library.close();
        }
        modules.values().forEach(KernelModule::close);
        modules.clear();
        functions.clear();
        occupancies.clear();
    }
}
