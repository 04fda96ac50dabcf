package dev.apus.kernels.cuda;

import static dev.apus.kernels.cuda.DeviceOperands.matrix;
import static dev.apus.kernels.cuda.DeviceOperands.vector;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.DType;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.RopeTable;
import dev.apus.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Launches {@code rope.cu}: norms of heads, rotary embedding and KV write in one launch, compiled for each shape of a head. */
final class RopeKernels implements AutoCloseable {
    /** Warps of a block, each of which takes a head of a token: the source's constant. */
    private static final int WARPS = 8;

    private final KernelContext context;
    private final Map<Variant, Kernel> kernels = new HashMap<>();

    private record Variant(int headDim, int rotaryDim, boolean interleaved, boolean beforeNorms) {}

    private record Kernel(KernelModule module, CudaFunction function) {}

    RopeKernels(KernelContext context) {
        this.context = context;
    }

    /**
     * See {@link dev.apus.kernels.Kernels#ropeAndCache}. The step's rows of the rotary tables must lie in the table, those of padding too.
     *
     * @param step the bytes of {@code struct Step}
     * @param tokens rows of {@code qkv}, padding included
     */
    void ropeAndCache(
            Tensor qkv,
            @Nullable Tensor qNorm,
            @Nullable Tensor kNorm,
            float eps,
            @Nullable RopeTable rope,
            AttentionShape shape,
            KvCache cache,
            int layer,
            MemorySegment step,
            int tokens) {
        int dim = shape.headDim();
        int heads = shape.heads() + 2 * shape.kvHeads();
        CudaTensor rows = matrix(qkv, "qkv", context.activation(), tokens, (long) heads * dim);
        CudaKvCache blocks = checked(cache, shape);
        context.args()
                .clear()
                .address(rows.address())
                .address(qNorm == null ? 0 : vector(qNorm, "qNorm", dim))
                .address(kNorm == null ? 0 : vector(kNorm, "kNorm", dim))
                .f32(eps)
                .address(rope == null ? 0 : angles(rope, dim))
                .address(blocks.keys(layer))
                .address(blocks.values(layer))
                .struct(step, Long.BYTES)
                .i32(shape.heads())
                .i32(shape.kvHeads())
                .i32(tokens);
        if (tokens > 0) {
            int grid = Math.toIntExact(((long) tokens * heads + WARPS - 1) / WARPS);
            kernel(rope, dim).launch(context.stream(), grid, 1, 1, 32 * WARPS, 0, context.args());
        }
    }

    private CudaKvCache checked(KvCache cache, AttentionShape shape) {
        CudaKvCache blocks = DeviceOperands.cache(cache);
        KvLayout layout = blocks.layout();
        if (layout.kvHeads() != shape.kvHeads()
                || layout.headDim() != shape.headDim()
                || layout.dtype() != context.kv()) {
            throw new IllegalArgumentException(
                    "the KV cache is " + layout + "; " + shape + " and " + context.kv() + " are needed");
        }
        return blocks;
    }

    private static long angles(RopeTable rope, int headDim) {
        int dim = rope.rotaryDim();
        if (dim <= 0 || dim % 2 != 0 || dim > headDim) {
            throw new IllegalArgumentException(
                    "rotaryDim is " + dim + "; an even number up to headDim " + headDim + " is needed");
        }
        return matrix(rope.cosSin(), "cosSin", DType.F32, 1, dim).address();
    }

    private CudaFunction kernel(@Nullable RopeTable rope, int headDim) {
        Variant variant = rope == null
                ? new Variant(headDim, 0, false, false)
                : new Variant(headDim, rope.rotaryDim(), rope.interleaved(), rope.beforeNorms());
        return kernels.computeIfAbsent(variant, this::compile).function();
    }

    private Kernel compile(Variant variant) {
        Map<String, String> defines = context.defines("HEAD_DIM", variant.headDim(), "ROTARY_DIM", variant.rotaryDim());
        if (variant.interleaved()) {
            defines.put("INTERLEAVED", "1");
        }
        if (variant.beforeNorms()) {
            defines.put("ROPE_FIRST", "1");
        }
        KernelModule module = context.compiler().load("rope.cu", defines);
        return new Kernel(module, module.function("rope_and_cache"));
    }

    @Override
    public void close() {
        kernels.values().forEach(kernel -> kernel.module().close());
    }
}
