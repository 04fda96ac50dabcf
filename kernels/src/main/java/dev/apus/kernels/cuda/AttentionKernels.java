package dev.apus.kernels.cuda;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.DType;
import dev.apus.kernels.KvLayout;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Launches attention over a paged cache. By head size, types and device:
 *
 * <ul>
 *   <li>{@code attention_decode.cu} computes the items of an {@link AttentionPlan}, {@code attention_prefill_wgmma.cu} (Hopper, bf16, heads
 *       of 128, no soft cap) or {@code attention_prefill.cu} its tiles: bf16 activations, heads of a multiple of 16 up to 256;
 *   <li>{@code attention_any.cu} computes everything else, without a plan, and far slower.
 * </ul>
 *
 * <p>Compiles and allocates on the first use of a shape, or in {@link #prepare}, which must come before a graph is recorded. For the
 * thread that owns the context.
 */
final class AttentionKernels implements AutoCloseable {
    private static final int LARGEST_HEAD = 256;
    private static final int WGMMA_HEAD = 128;
    /** Queries, three tiles of keys and three of values, 12 barriers, 1024 to align. */
    private static final int WGMMA_SHARED = 7 * 32768 + 12 * Long.BYTES + 1024;

    private static final int WGMMA_THREADS = 384;
    /** {@code THREADS} of attention_any.cu. */
    private static final int ANY_THREADS = 128;

    private static final int ANY_ARRAYS = 2;
    /** Where {@code struct Step} has the address of the block tables. */
    private static final long STEP_BLOCK_IDS = 8L * Long.BYTES;

    private final KernelContext context;
    private final AttentionPlan limits;
    private final Map<Integer, Variant> variants = new HashMap<>();
    private @Nullable Kernel any;
    private @Nullable Kernel wgmma;
    private long scratch;
    private long scratchBytes;
    private long arrived;
    private int arrivedInts;

    AttentionKernels(KernelContext context) {
        this.context = context;
        limits = new AttentionPlan(context.device().multiprocessors());
    }

    /** A kernel as it is launched. */
    private record Kernel(KernelModule module, CudaFunction function, int threads, int shared) {}

    /** The kernels of a head size. No prefill: the device has too little shared memory for it. */
    private record Variant(Kernel decode, @Nullable Kernel prefill) {}

    /** Whether a shape's launches read work lists; else plans of it are not used. */
    boolean isPlanned(AttentionShape shape) {
        return isPlanned(shape, context.activation());
    }

    private static boolean isPlanned(AttentionShape shape, DType activation) {
        return activation == DType.BF16 && shape.headDim() % 16 == 0 && shape.headDim() <= LARGEST_HEAD;
    }

    /** Device memory that layers of these shapes need together. */
    static long scratchBytes(int multiprocessors, List<AttentionShape> shapes, DType activation) {
        AttentionPlan limits = new AttentionPlan(multiprocessors);
        List<AttentionShape> planned =
                shapes.stream().filter(shape -> isPlanned(shape, activation)).toList();
        return CudaMemory.largest(planned, shape -> partBytes(limits, shape))
                + CudaMemory.largest(planned, shape -> 4L * limits.partCapacity(shape.kvHeads()) * shape.kvHeads());
    }

    /** Results in parts: outputs, and a sum for each row. */
    private static long partBytes(AttentionPlan limits, AttentionShape shape) {
        return 4L
                * limits.partCapacity(shape.kvHeads())
                * shape.kvHeads()
                * AttentionPlan.ITEM_ROWS
                * (shape.headDim() + 1);
    }

    /** Compiles the kernels of a shape and allocates what they need, so that {@link #attention} can be recorded in a graph. */
    void prepare(AttentionShape shape) {
        if (!isPlanned(shape)) {
            any();
            return;
        }
        if (variant(shape.headDim()).prefill == null) {
            any();
        }
        if (usesWgmma(shape)) {
            wgmma();
        }
        int parts = limits.partCapacity(shape.kvHeads());
        long bytes = partBytes(limits, shape);
        if (bytes > scratchBytes) {
            free(scratch);
            scratch = context.device().allocate(bytes);
            scratchBytes = bytes;
        }
        if (parts * shape.kvHeads() > arrivedInts) {
            free(arrived);
            arrivedInts = parts * shape.kvHeads();
            arrived = context.device().allocate(4L * arrivedInts);
            context.stream().fill(arrived, (byte) 0, 4L * arrivedInts);
        }
    }

    /** Launches under way may still read it. */
    private void free(long address) {
        if (address != 0) {
            context.stream().synchronize();
            context.device().free(address);
        }
    }

    /**
     * See {@link dev.apus.kernels.Kernels#attention}. Rows that are padding are left as they are. All but the last keys are read before
     * the kernels ahead in the stream have ended: keys and values of earlier steps must be complete when a step's metadata are uploaded.
     *
     * @param step where the step's metadata lie
     * @param work the step's lists, of a plan for this shape's {@link AttentionPlan.Geometry}
     * @throws IllegalArgumentException if the tensors do not have the shape's sizes
     */
    void attention(
            CudaTensor out,
            CudaTensor qkv,
            AttentionShape shape,
            CudaKvCache cache,
            int layer,
            StepMeta step,
            AttentionPlan.Work work) {
        check(out, "out", (long) shape.heads() * shape.headDim(), step.tokens());
        check(qkv, "qkv", (shape.heads() + 2L * shape.kvHeads()) * shape.headDim(), step.tokens());
        if (shape.bidirectional()) {
            throw new IllegalArgumentException(
                    "attention of " + shape + "; the CUDA kernels are causal: run such a model on the CPU");
        }
        KvLayout layout = cache.layout();
        if (layout.dtype() != context.kv()
                || layout.kvHeads() != shape.kvHeads()
                || layout.headDim() != shape.headDim()) {
            throw new IllegalArgumentException("attention of " + shape + " over a KV cache of " + layout
                    + "; it needs the shape's kv heads and head size, of " + context.kv());
        }
        if (!isPlanned(shape)) {
            launchAny(out, qkv, shape, cache, layer, step);
            return;
        }
        prepare(shape);
        Variant variant = variant(shape.headDim());
        Kernel prefill = usesWgmma(shape) ? wgmma() : variant.prefill;
        if (work.tileGrid() > 0 && prefill == null) {
            launchAny(out, qkv, shape, cache, layer, step);
            return;
        }
        if (work.itemGrid() > 0) {
            launchDecode(variant.decode, out, qkv, shape, cache, layer, step, work);
        }
        if (work.tileGrid() > 0 && prefill != null) {
            operands(out, qkv, cache, layer)
                    .address(blockIds(step))
                    .address(work.tiles())
                    .address(work.counts() + Integer.BYTES);
            heads(shape);
            // The blocks of one kv head come before those of the next, so that its keys stay in L2.
            launch(prefill, work.tileGrid(), shape.kvHeads());
        }
    }

    private void check(CudaTensor tensor, String name, long width, int rows) {
        if (tensor.rank() != 2
                || tensor.dim(1) != width
                || tensor.dim(0) < rows
                || tensor.dtype() != context.activation()) {
            throw new IllegalArgumentException("attention with " + name + " = " + tensor + "; it needs "
                    + context.activation() + "[at least " + rows + ", " + width + "]");
        }
    }

    private static long blockIds(StepMeta step) {
        return step.step().get(ValueLayout.JAVA_LONG_UNALIGNED, STEP_BLOCK_IDS);
    }

    private LaunchArgs operands(CudaTensor out, CudaTensor qkv, CudaKvCache cache, int layer) {
        return context.args()
                .clear()
                .address(out.address())
                .address(qkv.address())
                .address(cache.keys(layer))
                .address(cache.values(layer));
    }

    private void heads(AttentionShape shape) {
        context.args()
                .i32(shape.heads())
                .i32(shape.kvHeads())
                .f32(shape.scale())
                .i32(shape.slidingWindow())
                .f32(shape.softCap());
    }

    private void launch(Kernel kernel, int x, int y) {
        kernel.function.launch(context.stream(), x, y, 1, kernel.threads, kernel.shared, context.args());
    }

    private void launchDecode(
            Kernel kernel,
            CudaTensor out,
            CudaTensor qkv,
            AttentionShape shape,
            CudaKvCache cache,
            int layer,
            StepMeta step,
            AttentionPlan.Work work) {
        long outputs =
                4L * limits.partCapacity(shape.kvHeads()) * shape.kvHeads() * AttentionPlan.ITEM_ROWS * shape.headDim();
        operands(out, qkv, cache, layer)
                .address(blockIds(step))
                .address(work.items())
                .address(work.counts())
                .address(scratch)
                .address(scratch + outputs)
                .address(arrived);
        heads(shape);
        launch(kernel, work.itemGrid(), shape.kvHeads());
    }

    private void launchAny(
            CudaTensor out, CudaTensor qkv, AttentionShape shape, CudaKvCache cache, int layer, StepMeta step) {
        Kernel kernel = any();
        int shared = ANY_ARRAYS * Float.BYTES * shape.headDim();
        operands(out, qkv, cache, layer)
                .struct(step.step(), Long.BYTES)
                .i32(shape.heads())
                .i32(shape.kvHeads())
                .i32(shape.headDim())
                .f32(shape.scale())
                .i32(shape.slidingWindow())
                .f32(shape.softCap());
        if (step.tokens() > 0) {
            kernel.function.launch(
                    context.stream(), step.tokens(), shape.heads(), 1, kernel.threads, shared, context.args());
        }
    }

    private boolean usesWgmma(AttentionShape shape) {
        return context.device().capability() == 90
                && context.kv() == DType.BF16
                && shape.headDim() == WGMMA_HEAD
                && shape.softCap() == 0;
    }

    private Kernel any() {
        if (any == null) {
            any = load("attention_any.cu", "attention_any", ANY_THREADS, 0);
        }
        return any;
    }

    private Kernel wgmma() {
        if (wgmma == null) {
            wgmma = load("attention_prefill_wgmma.cu", "attention_prefill_wgmma", WGMMA_THREADS, WGMMA_SHARED);
        }
        return wgmma;
    }

    private Variant variant(int headDim) {
        return variants.computeIfAbsent(headDim, this::compile);
    }

    private Variant compile(int headDim) {
        boolean fp8 = context.kv() == DType.F8_E4M3;
        int most = context.device().maxSharedBytes();
        AttentionTiling tiling = AttentionTiling.of(headDim, fp8, most);
        Kernel decode = load(
                "attention_decode.cu",
                "attention_decode",
                32 * tiling.warps(),
                tiling.decodeShared(),
                "HEAD_DIM",
                headDim,
                "WARPS",
                tiling.warps(),
                "STAGES",
                tiling.stages(),
                "BLOCKS",
                tiling.blocks());
        Kernel prefill = tiling.prefillShared() > most
                ? null
                : load(
                        "attention_prefill.cu",
                        "attention_prefill",
                        tiling.prefillThreads(),
                        tiling.prefillShared(),
                        "HEAD_DIM",
                        headDim,
                        "TILE_PAGES",
                        tiling.prefillPages());
        return new Variant(decode, prefill);
    }

    private Kernel load(String resource, String name, int threads, int shared, Object... defines) {
        KernelModule module = context.compiler().load(resource, context.defines(defines));
        CudaFunction function = module.function(name);
        if (shared > 0) {
            function.allowShared(shared);
        }
        return new Kernel(module, function, threads, shared);
    }

    /** Unloads the kernels and frees their scratch memory; no launch may be under way. */
    @Override
    public void close() {
        for (Variant variant : variants.values()) {
            variant.decode.module.close();
            if (variant.prefill != null) {
                variant.prefill.module.close();
            }
        }
        if (any != null) {
            any.module.close();
        }
        if (wgmma != null) {
            wgmma.module.close();
        }
        free(scratch);
        free(arrived);
        scratch = 0;
        arrived = 0;
    }
}
