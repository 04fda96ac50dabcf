package dev.apus.kernels.cpu;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Kernels;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.Linear;
import dev.apus.kernels.MoeShape;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.StepSizes;
import dev.apus.kernels.Tensor;
import dev.apus.kernels.quant.Dequantizer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The processor as a device: tensors are native memory, activations F32. */
public final class CpuBackend implements Backend {
    /** Elements of an upload at a time: 64 KiB of floats stay in the second cache between decoding and copying. */
    private static final int COPY_CHUNK = 1 << 14;

    private final Arena arena = Arena.ofShared();
    private final CpuPool pool;
    private final CpuKernels kernels;
    private final String description;
    /** Working memory of vector linear layers for each thread; empty with scalar kernels. */
    private final LinearScratch[] scratch;

    private CpuBackend(CpuOptions options) {
        int threads = options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
        pool = new CpuPool(threads);
        String obstacle = VectorSupport.obstacle();
        if (options.kernels() == CpuOptions.Provider.VECTOR && obstacle != null) {
            throw new IllegalStateException("vector kernels cannot run: " + obstacle + "; choose scalar or auto");
        }
        boolean vector = options.kernels() != CpuOptions.Provider.SCALAR && obstacle == null;
        kernels = vector ? new VectorKernels(pool, arena) : new ScalarKernels(pool);
        scratch = new LinearScratch[vector ? threads : 0];
        Arrays.setAll(scratch, i -> new LinearScratch(arena));
        description = describe(vector, options, obstacle, threads);
    }

    private static String describe(boolean vector, CpuOptions options, @Nullable String obstacle, int threads) {
        String count = threads + (threads == 1 ? " thread" : " threads");
        if (vector) {
            return "cpu: vector kernels, " + VectorSupport.bits() + "-bit vectors, " + count;
        }
        String reason = options.kernels() == CpuOptions.Provider.SCALAR ? "as asked" : String.valueOf(obstacle);
        return "cpu: scalar kernels (" + reason + "), " + count;
    }

    /**
     * A backend with its own threads and memory.
     *
     * @throws IllegalStateException if vector kernels are demanded of a JVM that cannot run them
     */
    public static CpuBackend create(CpuOptions options) {
        return new CpuBackend(options);
    }

    @Override
    public String name() {
        return "cpu";
    }

    @Override
    public String description() {
        return description;
    }

    /** Threads that compute. */
    public int threads() {
        return pool.threads();
    }

    @Override
    public Kernels kernels() {
        return kernels;
    }

    @Override
    public Tensor allocate(DType dtype, long... shape) {
        long elements = 1;
        for (long extent : shape) {
            elements = Math.multiplyExact(elements, extent);
        }
        return new HostTensor(dtype, shape, NativeMemory.allocate(arena, dtype.byteSize(elements)));
    }

    @Override
    public Tensor upload(HostTensor source) {
        if (source.dtype() != DType.F32 && source.dtype() != DType.F16 && source.dtype() != DType.BF16) {
            throw new IllegalArgumentException("cannot upload " + source + "; F32, F16 and BF16 are supported");
        }
        long elements = source.elements();
        MemorySegment target = NativeMemory.allocate(arena, 4 * elements);
        float[] chunk = new float[(int) Math.min(COPY_CHUNK, elements)];
        for (long at = 0; at < elements; at += chunk.length) {
            int count = (int) Math.min(chunk.length, elements - at);
            Dequantizer.dequantize(source.dtype(), source.data(), source.dtype().byteSize(at), chunk, 0, count);
            MemorySegment.copy(chunk, 0, target, ValueLayout.JAVA_FLOAT, 4 * at, count);
        }
        return new HostTensor(DType.F32, source.shape(), target);
    }

    @Override
    public Linear linear(List<HostTensor> parts, @Nullable HostTensor bias) {
        if (parts.isEmpty()) {
            throw new IllegalArgumentException("a linear layer needs at least one part");
        }
        long outFeatures = 0;
        for (HostTensor part : parts) {
            if (part.rank() != 2 || part.dim(1) != parts.getFirst().dim(1)) {
                throw new IllegalArgumentException("parts of a linear layer must be matrices of one width: " + parts);
            }
            requireSupported(part.dtype());
            outFeatures += part.dim(0);
        }
        if (bias != null && (bias.dtype() != DType.F32 || bias.elements() != outFeatures)) {
            throw new IllegalArgumentException("bias is " + bias + "; " + outFeatures + " F32 values are needed");
        }
        return scratch.length == 0
                ? new ScalarLinear(parts, bias, arena)
                : new VectorLinear(parts, bias, scratch, pool, arena);
    }

    private static void requireSupported(DType type) {
        if (!Dequantizer.supports(type)) {
            throw new IllegalArgumentException("weights of type " + type
                    + " are not supported; F32, F16, BF16 and GGUF's Q4_0 to Q8_0, Q2_K to Q6_K and IQ4 are");
        }
    }

    /** Scalar kernels keep the file's bytes, vector kernels repack: block formats of few bits take up to three times theirs. */
    @Override
    public long linearBytes(DType source, long out, long in) {
        requireSupported(source);
        return scratch.length == 0
                ? source.byteSize(Math.multiplyExact(out, in))
                : PanelPacker.bytes(source, Math.toIntExact(out), Math.toIntExact(in));
    }

    @Override
    public boolean bidirectionalAttention() {
        return true;
    }

    @Override
    public DType activationType() {
        return DType.F32;
    }

    /** Computes the step at once. */
    @Override
    public void launch(StepBatch batch, SamplingBatch sampling, Forward forward) {
        Tensor logits = forward.forward(batch);
        if (sampling.count > 0) {
            kernels.sample(logits, sampling);
        }
    }

    @Override
    public void await(SamplingBatch sampling) {
        // launch has computed it
    }

    @Override
    public int stepsInFlight() {
        return 1;
    }

    @Override
    public long kvBlockBytes(KvLayout layout) {
        return CpuKvCache.bytesPerBlock(layout);
    }

    /** Sparse layers gather rows by expert; what else the kernels keep is some hundred kilobytes a thread. */
    @Override
    public long stepBytes(StepSizes largest) {
        MoeShape experts = largest.experts();
        return scratch.length == 0 || experts == null ? 0 : VectorMoe.bytes(experts, largest.hidden());
    }

    @Override
    public KvCache kvCache(KvLayout layout, int blocks) {
        return new CpuKvCache(layout, blocks, arena);
    }

    @Override
    public void read(Tensor source, long firstRow, int rows, float[] target) {
        HostTensor host = Operands.f32(source, "source");
        if (host.rank() != 2 || firstRow < 0 || firstRow + rows > host.dim(0)) {
            throw new IllegalArgumentException("rows " + firstRow + " to " + (firstRow + rows) + " of " + host);
        }
        int width = Operands.width(host);
        MemorySegment.copy(
                host.data(), ValueLayout.JAVA_FLOAT, 4 * firstRow * width, target, 0, Math.multiplyExact(rows, width));
    }

    @Override
    public long freeMemory() {
        return HostMemory.available();
    }

    /** Ends the threads and frees all memory. */
    @Override
    public void close() {
        pool.close();
        arena.close();
    }
}
