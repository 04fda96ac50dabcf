package dev.apus.kernels.cuda;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The step whose launches are being made: its metadata on the device, its attention's work lists, its sampling's parameters.
 *
 * <p>Within {@link CudaBackend#launch} all of it is brought over at once by {@link #begin} and {@link #send}. A kernel that is called by itself (tests,
 * recorded models) finds no step begun, and its batch is brought over for it alone.
 */
final class StepState implements AutoCloseable {
    /** Enough for 8,192 tokens of 256 sequences over 32,768 tokens each; more is allocated when it is needed. */
    private static final long FIRST_BYTES = 4 << 20;
    /** Lists are read 32 bytes at a time. */
    static final int LIST_ALIGN = 32;

    private final KernelContext context;
    private final Arena arena;
    private final StepSampler sampler;
    private final AttentionPlan planner;
    private final Map<Integer, StepBatch> shapes = new HashMap<>();
    /** Attention geometries that steps have had so far, in the order of their lists, and the lists of this step. */
    private final Map<AttentionPlan.Geometry, AttentionPlan.@Nullable Work> lists = new LinkedHashMap<>();

    private StepUpload upload;
    private @Nullable StepMeta current;
    private @Nullable StepBatch batch;
    private SamplingBlock.@Nullable Plan sampling;
    private long samplingAddress;
    private int layoutVersion;

    StepState(KernelContext context, Arena arena, StepSampler sampler) {
        this.context = context;
        this.arena = arena;
        this.sampler = sampler;
        planner = new AttentionPlan(context.device().multiprocessors());
        upload = new StepUpload(context.device(), arena, FIRST_BYTES, sampler.sampled());
    }

    /** Changes when recorded shapes find their metadata elsewhere than before: recordings are then void. */
    int layoutVersion() {
        return layoutVersion;
    }

    /**
     * Writes what the device must know of a step; {@link #send} brings it there.
     *
     * @param samples what it samples; null or without rows for nothing
     * @param size tokens of the recorded shape that it is padded to, 0 for its own sizes
     * @param logits those of the step before, which this one's will look like; null if there was none
     */
    void begin(StepBatch step, @Nullable SamplingBatch samples, int size, @Nullable CudaTensor logits) {
        boolean samplesNow = samples != null && samples.count > 0 && logits != null;
        int columns = logits == null ? 0 : Math.toIntExact(logits.dim(1));
        long listBytes = 0;
        for (AttentionPlan.Geometry geometry : lists.keySet()) {
            listBytes += LIST_ALIGN + listBytes(geometry, step, size);
        }
        long parameters = samplesNow ? sampler.parameterBytes(Objects.requireNonNull(samples), columns) : 0;
        ensure(StepUpload.bytes(
                        Math.max(size, step.tokens()),
                        Math.max(size, step.sequences()),
                        Math.max(size, step.logitRowCount()),
                        step.blockStart[step.sequences()])
                + listBytes
                + parameters);
        upload.begin();
        StepUpload.Written written = upload.write(step, size, listBytes);
        int at = written.between();
        for (Map.Entry<AttentionPlan.Geometry, AttentionPlan.@Nullable Work> list : lists.entrySet()) {
            at = (at + LIST_ALIGN - 1) / LIST_ALIGN * LIST_ALIGN;
            list.setValue(plan(list.getKey(), step, size, at));
            at += Math.toIntExact(listBytes(list.getKey(), step, size));
        }
        sampling = null;
        if (samplesNow) {
            writeSampling(Objects.requireNonNull(samples), Objects.requireNonNull(logits), parameters);
        }
        current = written.meta();
        batch = step;
    }

    /** Brings the step begun to the device. */
    void send() {
        upload.send(context.stream());
    }

    private long listBytes(AttentionPlan.Geometry geometry, StepBatch step, int size) {
        return size > 0
                ? planner.recordedBytes(geometry, size)
                : planner.bytes(geometry, step.sequences(), step.tokens());
    }

    private AttentionPlan.Work plan(AttentionPlan.Geometry geometry, StepBatch step, int size, int at) {
        return size > 0
                ? planner.planRecorded(step, geometry, size, upload.block(), at, upload.address(at))
                : planner.plan(step, geometry, upload.block(), at, upload.address(at));
    }

    private void writeSampling(SamplingBatch samples, CudaTensor logits, long bytes) {
        int at = upload.reserve(bytes);
        MemorySegment target = upload.block().asSlice(at, bytes);
        sampling = sampler.write(samples, Math.toIntExact(logits.dim(0)), Math.toIntExact(logits.dim(1)), target);
        samplingAddress = upload.address(at);
    }

    private void ensure(long bytes) {
        if (bytes > upload.capacity()) {
            context.stream().synchronize();
            upload.close();
            upload = new StepUpload(context.device(), arena, CudaMemory.grown(bytes), sampler.sampled());
            layoutVersion++;
        }
    }

    /** Ends the step: launches that come now are no part of it. */
    void end() {
        current = null;
        batch = null;
    }

    /** A batch of as many tokens and sequences as a recorded shape, which the forward pass is recorded with. */
    StepBatch shape(int size) {
        return shapes.computeIfAbsent(size, count -> {
            StepBatch shape = new StepBatch(count, count, CudaKvCache.BLOCK);
            for (int i = 0; i < count; i++) {
                shape.addSequence(new int[1], 0, 1, new int[1], 1, 0);
            }
            return shape;
        });
    }

    /** Metadata for a kernel of a step that has begun, or of a batch by itself. */
    StepMeta of(StepBatch step) {
        return current != null ? current : alone(step);
    }

    private StepMeta alone(StepBatch step) {
        // The pinned blocks may still be read for the call before.
        context.stream().synchronize();
        begin(step, null, 0, null);
        send();
        StepMeta meta = Objects.requireNonNull(current);
        end();
        return meta;
    }

    /** The work lists of an attention layer, for a kernel that has asked {@link #of} for the metadata just before. */
    AttentionPlan.Work work(StepBatch step, AttentionShape shape) {
        AttentionPlan.Geometry geometry = AttentionPlan.Geometry.of(shape);
        AttentionPlan.Work work = lists.get(geometry);
        if (work == null) {
            StepBatch real = batch == null ? step : batch;
            work = append(geometry, real);
            lists.put(geometry, work);
            layoutVersion++;
        }
        return work;
    }

    /** The list of a geometry that no step has had before; from the next step on it comes with the rest. */
    private AttentionPlan.Work append(AttentionPlan.Geometry geometry, StepBatch step) {
        long bytes = LIST_ALIGN + listBytes(geometry, step, 0);
        if (upload.left() < bytes) {
            throw new IllegalStateException("no room for the work list of " + geometry + ": " + bytes + " bytes");
        }
        int at = upload.reserve(bytes);
        int aligned = (at + LIST_ALIGN - 1) / LIST_ALIGN * LIST_ALIGN;
        AttentionPlan.Work work = plan(geometry, step, 0, aligned);
        upload.send(context.stream(), at);
        return work;
    }

    /** Launches the sampling of the step begun, and the copy of its results. */
    void sample(CudaTensor logits, SamplingBatch samples) {
        if (samples.count > 0 && sampling == null) {
            long bytes = sampler.parameterBytes(samples, Math.toIntExact(logits.dim(1)));
            if (upload.left() < bytes) {
                throw new IllegalStateException("no room for " + bytes + " bytes of sampling parameters");
            }
            int from = upload.used();
            writeSampling(samples, logits, bytes);
            upload.send(context.stream(), from);
        }
        sampler.launch(logits, sampling, samplingAddress);
        sampling = null;
    }

    /** Samples logits by themselves and waits for the results. */
    void sampleAlone(CudaTensor logits, SamplingBatch samples) {
        context.stream().synchronize();
        ensure(sampler.parameterBytes(samples, Math.toIntExact(logits.dim(1))) + LIST_ALIGN);
        upload.begin();
        sampling = null;
        sample(logits, samples);
        sampler.await(samples);
    }

    @Override
    public void close() {
        upload.close();
    }
}
