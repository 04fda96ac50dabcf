package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.cuda.ffi.ApusCache;
import dev.apus.kernels.cuda.ffi.CublasLt;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;

/**
 * Times every kernel of a decoder at a model's shapes, in bf16, as a step launches them: in a graph, over operands that are rotated so
 * that a launch finds none of its weights in the L2 cache. Operands of a few kilobytes stay there, as they do in a step.
 *
 * <p>For one thread, the one that opened it.
 */
public final class CudaKernelBench implements AutoCloseable {
    private static final DType TYPE = DType.BF16;
    private static final long COPY_BYTES = 4L << 30;
    private static final int PRODUCT = 8192;
    /** Products between two looks at the clock: about 20 ms. */
    private static final int PRODUCTS_AT_ONCE = 10;

    private static final double SUSTAINED_SECONDS = 3;

    private final KernelShapes shapes;
    private final Arena arena = Arena.ofShared();
    private final CudaDevice device;
    private final CudaStream stream;
    private final KernelContext context;
    private final StepSampler sampler;
    private final StepState state;
    private final CudaKernels kernels;
    private final NoiseMemory memory;
    private final GraphTimer timer;
    private final KernelCases cases;

    private CudaKernelBench(KernelShapes shapes) {
        this.shapes = shapes;
        device = CudaDevice.open(0);
        stream = device.newStream();
        KernelCompiler compiler = new KernelCompiler(device, ApusCache.folder());
        context = new KernelContext(device, stream, compiler, TYPE, TYPE, new LaunchArgs(arena));
        sampler = new StepSampler(context, 1);
        state = new StepState(context, arena, sampler);
        kernels = new CudaKernels(context, state);
        memory = new NoiseMemory(device, stream);
        timer = new GraphTimer(device, stream);
        cases = new KernelCases(shapes, context, state, kernels, memory, timer);
    }

    /**
     * Opens the first device.
     *
     * @throws IllegalStateException if there is none that can be used, with what to do ({@link CudaSupport#obstacle})
     */
    public static CudaKernelBench open(KernelShapes shapes) {
        String obstacle = CudaSupport.obstacle();
        if (obstacle != null) {
            throw new IllegalStateException(obstacle);
        }
        return new CudaKernelBench(shapes);
    }

    /** Measures the device's copy and matrix product; takes about four seconds. */
    public Yardsticks yardsticks() {
        long bytes = Math.min(COPY_BYTES, device.freeMemory() / 3);
        double copied;
        try {
            long from = memory.take(bytes);
            long to = memory.take(bytes);
            copied = timer.median(() -> stream.copy(to, from, bytes));
        } finally {
            memory.release();
        }
        double[] products = products();
        String product = CublasLt.library().isPresent() ? "cuBLASLt" : "gemm.cu, as there is no cuBLASLt";
        return new Yardsticks(device.name(), bytes, 2 * bytes / copied, product, products[0], products[1]);
    }

    /** Operations a second of a large product: at first, and over seconds. */
    private double[] products() {
        double operations = 2.0 * PRODUCTS_AT_ONCE * PRODUCT * PRODUCT * PRODUCT;
        try {
            CudaTensor x = memory.tensor(TYPE, PRODUCT, PRODUCT);
            CudaTensor out = memory.tensor(TYPE, PRODUCT, PRODUCT);
            CudaLinear weight = memory.linear(TYPE, PRODUCT, PRODUCT);
            kernels.linear(out, x, weight, PRODUCT);
            stream.synchronize();
            Runnable several = () -> {
                for (int i = 0; i < PRODUCTS_AT_ONCE; i++) {
                    kernels.linear(out, x, weight, PRODUCT);
                }
            };
            double first = operations / timer.once(several);
            int[] rounds = {0};
            double seconds = timer.once(() -> rounds[0] = keepBusy(several));
            return new double[] {first, rounds[0] * operations / seconds};
        } finally {
            memory.release();
        }
    }

    /** Gives the device so much to do that it never waits, and returns how often. */
    private int keepBusy(Runnable work) {
        int rounds = 0;
        long end = System.nanoTime() + (long) (SUSTAINED_SECONDS * 1e9);
        try (CudaEvent even = device.newEvent();
                CudaEvent odd = device.newEvent()) {
            while (System.nanoTime() < end) {
                work.run();
                CudaEvent done = rounds % 2 == 0 ? even : odd;
                done.record(stream);
                (rounds++ % 2 == 0 ? odd : even).synchronize();
            }
            stream.synchronize();
        }
        return rounds;
    }

    /**
     * Times the kernels of a step in which each sequence decodes one token.
     *
     * @param tokens that each sequence has, the new one among them
     * @param each told every time as it is known
     * @throws IllegalArgumentException if the KV cache of a layer does not fit the device
     */
    public void decode(int sequences, int tokens, Consumer<KernelTime> each) {
        StepBatch batch = new StepBatch(sequences, sequences, CudaKvCache.BLOCK);
        fill(batch, sequences, tokens, 1);
        long keys = (long) sequences * shapes.seen(tokens - 1);
        cases.run(new KernelCases.Step(batch, sequences, tokens, keys, keys, "attention, decode"), each);
    }

    /** Times the kernels of a step that computes a prompt of so many tokens. */
    public void prefill(int tokens, Consumer<KernelTime> each) {
        StepBatch batch = new StepBatch(tokens, 1, CudaKvCache.BLOCK);
        fill(batch, 1, tokens, tokens);
        long pairs = 0;
        for (int position = 0; position < tokens; position++) {
            pairs += shapes.seen(position);
        }
        cases.run(new KernelCases.Step(batch, 0, tokens, tokens, pairs, "attention, prefill"), each);
    }

    /** Sequences whose last {@code count} of {@code length} tokens are computed, over blocks that lie scattered. */
    private void fill(StepBatch batch, int sequences, int length, int count) {
        Random random = new Random(1);
        int blocks = Math.ceilDiv(length, CudaKvCache.BLOCK);
        List<Integer> all = new ArrayList<>();
        for (int block = 0; block < sequences * blocks; block++) {
            all.add(block);
        }
        Collections.shuffle(all, random);
        for (int s = 0; s < sequences; s++) {
            int[] ids = random.ints(length, 0, shapes.vocab()).toArray();
            int[] table = all.subList(s * blocks, (s + 1) * blocks).stream()
                    .mapToInt(Integer::intValue)
                    .toArray();
            batch.addSequence(ids, length - count, count, table, blocks, count - 1);
        }
    }

    @Override
    public void close() {
        stream.synchronize();
        timer.close();
        memory.close();
        kernels.close();
        state.close();
        sampler.close();
        context.compiler().close();
        stream.close();
        device.close();
        arena.close();
    }
}
