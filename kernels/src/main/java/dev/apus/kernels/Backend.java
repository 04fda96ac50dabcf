package dev.apus.kernels;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One device: its memory, its weight layouts and its {@link Kernels}.
 *
 * <p>Not thread-safe once a model runs: one engine thread drives it. Weights may be loaded from one thread at a time before that.
 * Tensors live until {@link #close}.
 */
public interface Backend extends AutoCloseable {
    /** {@code cpu} or {@code cuda}. */
    String name();

    /** Which kernels were chosen on which device, and why no faster ones; one line for the start-up log and {@code doctor}. */
    String description();

    Kernels kernels();

    /** Element type of activations: F32, or BF16 on devices whose tensor cores want it. Logits are F32 everywhere. */
    DType activationType();

    /** A zeroed tensor. */
    Tensor allocate(DType dtype, long... shape);

    /** Copies a tensor of a checkpoint (norm weight, bias, table) to the device as F32. F32, F16 and BF16 sources, any shape. */
    Tensor upload(HostTensor source);

    /**
     * Copies weight rows to the device, in the layout its kernels want; the sources may be unmapped afterwards.
     *
     * @param parts row blocks {@code [out_i, in]} stacked in order; formats may differ; F32, F16, BF16 or a GGUF block format
     * @param bias F32 values {@code [sum of out_i]} or null
     * @throws IllegalArgumentException if a format is not supported or the shapes disagree
     */
    Linear linear(List<HostTensor> parts, @Nullable HostTensor bias);

    /**
     * Bytes of device memory that {@link #linear} takes for a part {@code [out, in]} that a checkpoint holds as {@code source}, without a
     * bias: exactly the part's share of {@link Linear#byteSize}, for the plan of a model's memory relies on it.
     *
     * @throws IllegalArgumentException if the format is not supported
     */
    long linearBytes(DType source, long out, long in);

    /** Bytes that a block of {@link #kvCache} takes, all layers: more than {@link KvLayout#bytesPerBlock} where a device pads. */
    default long kvBlockBytes(KvLayout layout) {
        return layout.bytesPerBlock();
    }

    /** Bytes of device memory that an allocation of so many takes: more where the device hands it out in pages. */
    default long allocationBytes(long bytes) {
        return bytes;
    }

    /** Allocates {@code blocks} blocks of KV cache, {@link #kvBlockBytes} each. */
    KvCache kvCache(KvLayout layout, int blocks);

    /** Types in which {@link #kvCache} can store keys and values, the usual one first. */
    default List<DType> kvTypes() {
        return List.of(activationType());
    }

    /** Whether {@link Kernels#attention} computes shapes that are bidirectional. */
    default boolean bidirectionalAttention() {
        return false;
    }

    /** A model's forward pass: launches the kernels of a batch and returns the logits F32 {@code [logit rows, vocab]}. */
    @FunctionalInterface
    interface Forward {
        Tensor forward(StepBatch batch);
    }

    /**
     * Launches a step: the forward pass, then the sampling of its logits. A device may record the launches of a batch's shape once and
     * replay them, so {@code forward} must launch the same kernels for every batch of one shape.
     *
     * <p>Until {@link #await} has returned, {@code sampling} belongs to the backend; {@code batch} may be refilled at once. At most
     * {@link #stepsInFlight} launched steps may be unawaited, and they are awaited in order. A negative token id {@code -1 - r} in the
     * batch or in a history stands for the id that row r of the step launched just before draws.
     *
     * @param sampling what to draw; may be empty
     */
    void launch(StepBatch batch, SamplingBatch sampling, Forward forward);

    /** Waits for the oldest launched step, whose results are then in its sampling batch. */
    void await(SamplingBatch sampling);

    /** Launched steps that may wait to be awaited: 1 where a launch computes at once, 2 where the host runs ahead of the device. */
    int stepsInFlight();

    /**
     * Measures the steps launched from here on; replaces an earlier profile.
     *
     * @param capacity most steps to keep
     * @return null where there is nothing to measure beside the whole: a step is computed by the thread that launches it
     */
    default @Nullable StepProfile profileSteps(int capacity) {
        return null;
    }

    /** Copies {@code rows} rows of an F32 matrix {@code [*, width]} to {@code target}, waiting for the device. */
    void read(Tensor source, long firstRow, int rows, float[] target);

    /** Bytes of device memory that may still be allocated. */
    long freeMemory();

    /**
     * Bytes of memory that the device has for itself, of which a model may take nearly all; 0 if its memory is the host's, which other
     * programs need too.
     */
    default long dedicatedMemory() {
        return 0;
    }

    /**
     * Bytes of device memory that the backend itself takes, at most, to run steps: scratch of its kernels and libraries, metadata, recorded
     * graphs. What it takes before a model is loaded is not in {@link #freeMemory} any more and does not count.
     *
     * @param largest no step is larger
     */
    default long stepBytes(StepSizes largest) {
        return 0;
    }

    @Override
    void close();
}
