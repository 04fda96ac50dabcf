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

    /** Allocates {@code blocks} blocks of KV cache. */
    KvCache kvCache(KvLayout layout, int blocks);

    /** Copies {@code rows} rows of an F32 matrix {@code [*, width]} to {@code target}, waiting for the device. */
    void read(Tensor source, long firstRow, int rows, float[] target);

    /** Bytes of device memory that may still be allocated. */
    long freeMemory();

    @Override
    void close();
}
