package dev.apus.kernels.cuda;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.DType;
import dev.apus.kernels.MoeShape;
import dev.apus.kernels.StepSizes;
import java.util.List;
import java.util.function.ToLongFunction;

/**
 * What the backend takes of a device's memory beside weights, activations and KV blocks, computed before any of it is allocated: a KV cache
 * that fills the rest must leave it. Sizes are upper bounds, each computed where the allocation is made; what the driver and cuBLASLt take
 * for themselves is assumed, see the constants.
 *
 * <p>A plan that is exceeded all the same ends in {@link CudaDevice#allocate}'s error, which names the bytes wanted, those free and the
 * settings to lower; the step that needed them fails as by a fault of the device. What can exceed it: other processes on the device, and
 * requests that do not come through the server, whose limits on lists are assumed here.
 */
final class CudaMemory {
    /** Pages in which the driver hands out what is no smaller than {@link #LARGE}. */
    private static final long PAGE = 2 << 20;
    /** Smaller allocations share pages. */
    private static final long LARGE = 1 << 20;

    private static final long SMALLEST = 512;
    /** Most ids that a row's logit bias and its stop ids name, each: the server's limit of a list. */
    private static final int LISTED_IDS = 1024;
    /** Most likeliest tokens of a row: the server's limit. */
    private static final int LOGPROBS = 20;
    /**
     * A recorded graph: "a few MB" were measured for models of 16 to 36 layers. Twice that, since deep models have twice as many launches.
     */
    private static final long GRAPH_BYTES = 8 << 20;
    /**
     * Machine code that is loaded at its first use: some thirty modules of ours in pages of their own, and as much for cuBLASLt's kernels.
     * An assumption: the driver does not tell.
     */
    private static final long MODULE_BYTES = 128 << 20;
    /** A launch's grid has at most so many rows in its second direction, which some kernels give to tokens. */
    private static final int MOST_TOKENS = 65_535;
    /** The activations' tensors, rotary tables, the KV cache and what is computed here: some thirty allocations, each up to a page. */
    private static final long ROUNDING_BYTES = 32 * PAGE;

    /**
     * What the sizes depend on of a device.
     *
     * @param l2Bytes of its cache
     * @param maxSharedBytes of a block
     * @param library whether cuBLASLt is there
     */
    record Figures(int multiprocessors, int capability, int maxSharedBytes, long l2Bytes, boolean library) {
        static Figures of(CudaDevice device, boolean library) {
            return new Figures(
                    device.multiprocessors(), device.capability(), device.maxSharedBytes(), device.l2Bytes(), library);
        }
    }

    private CudaMemory() {}

    /** New size of a block that must grow to hold {@code bytes}: a quarter more, so that histories that grow by a token do not each time. */
    static long grown(long bytes) {
        return bytes + bytes / 4;
    }

    /** What the driver takes for an allocation: whole pages, or of a shared page as much as fits it a whole number of times. */
    static long allocation(long bytes) {
        if (bytes >= LARGE) {
            return (bytes + PAGE - 1) / PAGE * PAGE;
        }
        return bytes <= SMALLEST ? SMALLEST : Long.highestOneBit(bytes - 1) << 1;
    }

    /**
     * See {@link dev.apus.kernels.Backend#stepBytes}. cuBLASLt's workspace, the first blocks of metadata and the ids drawn are allocated when
     * the backend is opened, so they are not part of it.
     *
     * @throws IllegalArgumentException if a step may have more tokens than a launch takes
     */
    static long stepBytes(StepSizes sizes, CudaOptions options, Figures device) {
        if (sizes.tokens() > MOST_TOKENS) {
            throw new IllegalArgumentException("steps of " + sizes.tokens()
                    + " tokens (--max-num-batched-tokens); CUDA takes at most " + MOST_TOKENS);
        }
        return upload(sizes, options, device)
                + sampling(sizes, device)
                + AttentionKernels.scratchBytes(device.multiprocessors(), sizes.attention(), options.activations())
                + experts(sizes, options.activations())
                + (device.library() ? LibraryProducts.timingBytes(device.l2Bytes()) : 0)
                + StepGraphs.sizes(options.graphSequences()).length * GRAPH_BYTES
                + MODULE_BYTES
                + ROUNDING_BYTES;
    }

    /** Metadata, work lists and sampling parameters of a step. */
    static long upload(StepSizes sizes, CudaOptions options, Figures device) {
        // A recorded shape may be larger than any step.
        int recorded = options.graphSequences();
        int tokens = Math.max(sizes.tokens(), recorded);
        int sequences = Math.max(sizes.sequences(), recorded);
        long blockIds = (long) sizes.sequences() * Math.ceilDiv(sizes.length(), CudaKvCache.BLOCK);
        AttentionPlan planner = new AttentionPlan(device.multiprocessors());
        long lists = sizes.attention().stream()
                .map(AttentionPlan.Geometry::of)
                .distinct()
                .mapToLong(geometry -> StepState.LIST_ALIGN
                        + Math.max(
                                planner.bytes(geometry, sequences, tokens), planner.recordedBytes(geometry, recorded)))
                .sum();
        return grown(StepUpload.bytes(tokens, sequences, Math.max(sizes.logitRows(), recorded), blockIds)
                + lists
                + parameters(sizes));
    }

    /** Every sequence brings a history of full length, every row lists and a bit set. */
    private static long parameters(StepSizes sizes) {
        return SamplingBlock.maxParameterBytes(
                sizes.logitRows(),
                (long) sizes.sequences() * sizes.length(),
                2L * sizes.logitRows() * LISTED_IDS,
                sizes.vocab());
    }

    private static long sampling(StepSizes sizes, Figures device) {
        return StepSampler.deviceBytes(
                sizes.vocab(),
                sizes.logitRows(),
                parameters(sizes),
                SamplingBlock.maxResultBytes(sizes.logitRows(), LOGPROBS),
                device);
    }

    private static long experts(StepSizes sizes, DType activations) {
        MoeShape shape = sizes.experts();
        return shape == null
                ? 0
                : MoeKernels.scratchBytes(sizes.tokens(), sizes.hidden(), shape, activations.byteSize(1))
                        + sizes.sparseLayers() * allocation(MoeKernels.tableBytes(shape.experts()));
    }

    /** The largest scratch that some of these layers need. */
    static long largest(List<AttentionShape> shapes, ToLongFunction<AttentionShape> bytes) {
        return shapes.stream().mapToLong(bytes).max().orElse(0);
    }
}
