package dev.apus.kernels.cuda;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Kernels;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.Linear;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.StepProfile;
import dev.apus.kernels.StepSizes;
import dev.apus.kernels.Tensor;
import dev.apus.kernels.cuda.ffi.ApusCache;
import dev.apus.kernels.quant.Dequantizer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A GPU: weights and activations in its memory, the kernels of this package, two steps in flight.
 *
 * <p>One stream does everything in order. A step is one copy of its state, its launches (recorded in a graph where it only decodes),
 * the sampling, and one copy of the results back; the host reads them a step later. Whoever drives it must have made it current in its
 * thread: {@link #launch}, {@link #await} and {@link #read} do so themselves when the thread changes.
 */
public final class CudaBackend implements Backend {
    private static final int STEPS_IN_FLIGHT = 2;

    private final CudaDevice device;
    private final CudaOptions options;
    private final Arena arena = Arena.ofShared();
    private final CudaStream stream;
    private final KernelContext context;
    private final StepState state;
    private final StepGraphs graphs;
    private final CudaKernels kernels;
    private final StepSampler sampler;
    private final String description;
    private @Nullable WeightUploader uploader;
    /** Id of the thread that the device is current in. */
    private long current;

    private @Nullable CudaTensor logits;
    private @Nullable EventMarks marks;
    private @Nullable StepProfile profile;

    private CudaBackend(CudaOptions options) {
        this.options = options;
        device = CudaDevice.open(options.ordinal());
        current = Thread.currentThread().threadId();
        KernelCompiler compiler = new KernelCompiler(device, ApusCache.folder());
        try {
            stream = device.newStream();
            context = new KernelContext(
                    device, stream, compiler, options.activations(), options.kv(), new LaunchArgs(arena));
            sampler = new StepSampler(context, STEPS_IN_FLIGHT);
            state = new StepState(context, arena, sampler);
            graphs = new StepGraphs(options.graphSequences());
            kernels = new CudaKernels(context, state);
        } catch (RuntimeException | Error e) {
            // The caller may go on without this device; what was made of the rest lives in its context.
            try {
                Closing.all(compiler::close, device::close, arena::close);
            } catch (RuntimeException closing) {
                e.addSuppressed(closing);
            }
            throw e;
        }
        description = String.format(
                Locale.ROOT,
                "cuda: %s, %s, %d multiprocessors, %,d MiB, %s%s",
                device.name(),
                device.architecture(),
                device.multiprocessors(),
                device.totalMemory() >> 20,
                options.activations().toString().toLowerCase(Locale.ROOT),
                options.graphSequences() > 0 ? ", decode steps in CUDA graphs" : "");
    }

    /**
     * Opens a device.
     *
     * @throws dev.apus.kernels.cuda.ffi.NativeLinkException if the driver or a library that is needed is not there
     * @throws dev.apus.kernels.cuda.ffi.CudaException if the device refuses
     */
    public static CudaBackend create(CudaOptions options) {
        return new CudaBackend(options);
    }

    @Override
    public String name() {
        return "cuda";
    }

    @Override
    public String description() {
        return description;
    }

    @Override
    public Kernels kernels() {
        return kernels;
    }

    @Override
    public DType activationType() {
        return options.activations();
    }

    private void makeCurrent() {
        if (current != Thread.currentThread().threadId()) {
            device.makeCurrent();
            current = Thread.currentThread().threadId();
        }
    }

    @Override
    public Tensor allocate(DType dtype, long... shape) {
        return tensor(dtype, shape);
    }

    private CudaTensor tensor(DType dtype, long... shape) {
        long elements = 1;
        for (long extent : shape) {
            elements = Math.multiplyExact(elements, extent);
        }
        makeCurrent();
        long bytes = dtype.byteSize(elements);
        long address = device.allocate(bytes);
        stream.fill(address, (byte) 0, bytes);
        return new CudaTensor(dtype, shape, address);
    }

    private WeightUploader uploader() {
        if (uploader == null) {
            makeCurrent();
            uploader = new WeightUploader(device);
        }
        return uploader;
    }

    @Override
    public Tensor upload(HostTensor source) {
        if (source.dtype() != DType.F32 && source.dtype() != DType.F16 && source.dtype() != DType.BF16) {
            throw new IllegalArgumentException("cannot upload " + source + "; F32, F16 and BF16 are supported");
        }
        makeCurrent();
        long address = device.allocate(DType.F32.byteSize(source.elements()));
        uploader().upload(source, DType.F32, address);
        return new CudaTensor(DType.F32, source.shape(), address);
    }

    @Override
    public Linear linear(List<HostTensor> parts, @Nullable HostTensor bias) {
        if (parts.isEmpty()) {
            throw new IllegalArgumentException("a linear layer needs at least one part");
        }
        long in = parts.getFirst().dim(1);
        long out = 0;
        for (HostTensor part : parts) {
            if (part.rank() != 2 || part.dim(1) != in) {
                throw new IllegalArgumentException("parts of a linear layer must be matrices of one width: " + parts);
            }
            if (!Dequantizer.supports(part.dtype())) {
                throw new IllegalArgumentException("weights of type " + part.dtype()
                        + " are not supported; F32, F16, BF16 and GGUF's Q4_0 to Q8_0, Q2_K to Q6_K and IQ4 are");
            }
            out += part.dim(0);
        }
        if (bias != null && (bias.dtype() != DType.F32 || bias.elements() != out)) {
            throw new IllegalArgumentException("bias is " + bias + "; " + out + " F32 values are needed");
        }
        makeCurrent();
        DType type = options.activations();
        long address = device.allocate(type.byteSize(Math.multiplyExact(out, in)));
        long at = address;
        for (HostTensor part : parts) {
            uploader().upload(part, type, at);
            at += type.byteSize(part.elements());
        }
        long biasAddress = bias == null ? 0 : ((CudaTensor) upload(bias)).address();
        return new CudaLinear(type, Math.toIntExact(out), Math.toIntExact(in), address, biasAddress);
    }

    @Override
    public KvCache kvCache(KvLayout layout, int blocks) {
        if (layout.dtype() != options.kv()) {
            throw new IllegalArgumentException(
                    "a KV cache of " + layout.dtype() + "; this backend was opened for one of " + options.kv());
        }
        makeCurrent();
        long bytes = Math.multiplyExact((long) blocks, kvBlockBytes(layout));
        long address = device.allocate(bytes);
        stream.fill(address, (byte) 0, bytes);
        return new CudaKvCache(layout, blocks, address);
    }

    @Override
    public List<DType> kvTypes() {
        return List.of(options.kv());
    }

    @Override
    public long linearBytes(DType source, long out, long in) {
        return options.activations().byteSize(Math.multiplyExact(out, in));
    }

    /** Blocks lie without gaps. */
    @Override
    public long kvBlockBytes(KvLayout layout) {
        return layout.bytesPerBlock();
    }

    @Override
    public long allocationBytes(long bytes) {
        return CudaMemory.allocation(bytes);
    }

    @Override
    public long stepBytes(StepSizes largest) {
        return CudaMemory.stepBytes(largest, options, CudaMemory.Figures.of(device, kernels.hasLibrary()));
    }

    @Override
    public long dedicatedMemory() {
        return device.totalMemory();
    }

    /** Waits for weights that are still on their way, and lets the threads go that brought them. */
    private void finishLoading() {
        WeightUploader ended = uploader;
        if (ended != null) {
            uploader = null;
            ended.close();
        }
    }

    @Override
    public void launch(StepBatch batch, SamplingBatch sampling, Forward forward) {
        makeCurrent();
        finishLoading();
        boolean decodes = batch.tokens() == batch.sequences() && batch.logitRowCount() == batch.tokens();
        int size = decodes ? graphs.size(batch.sequences()) : 0;
        StepProfile watching = profile;
        state.begin(batch, sampling, size, logits);
        try {
            if (watching != null) {
                watching.starts();
            }
            state.send();
            if (size > 0) {
                graphs.run(
                        stream,
                        size,
                        state.layoutVersion(),
                        () -> logits = (CudaTensor) forward.forward(state.shape(size)));
            } else {
                logits = (CudaTensor) forward.forward(batch);
            }
            state.sample(Objects.requireNonNull(logits), sampling);
            if (watching != null) {
                watching.launched(decodes ? batch.sequences() : 0);
            }
        } finally {
            state.end();
        }
    }

    @Override
    public void await(SamplingBatch sampling) {
        makeCurrent();
        StepProfile watching = profile;
        if (watching != null) {
            watching.waits();
        }
        sampler.await(sampling);
        if (watching != null) {
            watching.waited();
        }
    }

    @Override
    public StepProfile profileSteps(int capacity) {
        makeCurrent();
        if (marks == null) {
            marks = new EventMarks(device, stream);
        }
        StepProfile watching = new StepProfile(marks, capacity);
        profile = watching;
        return watching;
    }

    /** Decode steps that have been recorded as graphs so far; one whose recording became void and was made anew counts twice. */
    int recordedGraphs() {
        return graphs.recorded();
    }

    @Override
    public int stepsInFlight() {
        return STEPS_IN_FLIGHT;
    }

    @Override
    public void read(Tensor source, long firstRow, int rows, float[] target) {
        CudaTensor tensor = (CudaTensor) source;
        if (tensor.rank() != 2 || firstRow < 0 || firstRow + rows > tensor.dim(0)) {
            throw new IllegalArgumentException("rows " + firstRow + " to " + (firstRow + rows) + " of " + tensor);
        }
        makeCurrent();
        finishLoading();
        long width = tensor.dim(1);
        int count = Math.toIntExact(rows * width);
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment bytes = scratch.allocate(Math.max(1, tensor.dtype().byteSize(count)), 64);
            long from = tensor.address() + tensor.dtype().byteSize(firstRow * width);
            stream.download(bytes, from, tensor.dtype().byteSize(count));
            stream.synchronize();
            Dequantizer.dequantize(tensor.dtype(), bytes, 0, target, 0, count);
        }
    }

    /** Fills a tensor with values, rounded to its type; waits for the device. */
    void write(Tensor target, float[] values) {
        CudaTensor tensor = (CudaTensor) target;
        makeCurrent();
        finishLoading();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment bytes = scratch.allocate(Math.max(1, tensor.dtype().byteSize(values.length)), 64);
            for (int i = 0; i < values.length; i++) {
                if (tensor.dtype() == DType.F32) {
                    bytes.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
                } else {
                    bytes.setAtIndex(ValueLayout.JAVA_SHORT, i, WeightUploader.bf16(values[i]));
                }
            }
            stream.upload(tensor.address(), bytes, tensor.dtype().byteSize(values.length));
            stream.synchronize();
        }
    }

    @Override
    public long freeMemory() {
        return device.freeMemory();
    }

    @Override
    public void close() {
        EventMarks marked = marks;
        Closing.all(
                this::makeCurrent,
                this::finishLoading,
                stream::synchronize,
                graphs::close,
                kernels::close,
                state::close,
                sampler::close,
                () -> {
                    if (marked != null) {
                        marked.close();
                    }
                },
                context.compiler()::close,
                stream::close,
                device::close,
                arena::close);
    }
}
