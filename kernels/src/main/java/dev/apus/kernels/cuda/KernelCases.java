package dev.apus.kernels.cuda;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.DType;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.RopeTable;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The kernels of a step, each with the operands that a model has for it: what {@link CudaKernelBench} times. */
final class KernelCases {
    private static final DType TYPE = DType.BF16;
    /** Sets of operands are made until together they are so many times the L2 cache, or until there are so many. */
    private static final int CACHES = 3;

    private static final int MOST_SETS = 64;
    private static final float EPS = 1e-6f;

    private final KernelShapes shapes;
    private final KernelContext context;
    private final StepState state;
    private final CudaKernels kernels;
    private final NoiseMemory memory;
    private final GraphTimer timer;

    /** All of them are the caller's. */
    KernelCases(
            KernelShapes shapes,
            KernelContext context,
            StepState state,
            CudaKernels kernels,
            NoiseMemory memory,
            GraphTimer timer) {
        this.shapes = shapes;
        this.context = context;
        this.state = state;
        this.kernels = kernels;
        this.memory = memory;
        this.timer = timer;
    }

    /**
     * A step to time.
     *
     * @param recorded sequences of the recorded shape, 0 for a step that is not recorded
     * @param context tokens of each sequence
     * @param keys that attention reads for each kv head
     * @param pairs of a query and a key for each query head
     */
    record Step(StepBatch batch, int recorded, int context, long keys, long pairs, String attention) {}

    /** Times one kernel after the other. */
    void run(Step step, Consumer<KernelTime> each) {
        int rows = step.batch.tokens();
        int layers = shapes.layers();
        state.begin(step.batch, null, step.recorded, null);
        state.send();
        try {
            embed(step, each);
            norm(step, each);
            linear("linear, qkv", step, shapes.qkvWidth(), shapes.hidden(), layers, each);
            rope(step, each);
        } finally {
            state.end();
        }
        attention(step, each);
        linearAdd("linear, attention out", step, shapes.hidden(), shapes.queryWidth(), layers, each);
        if (shapes.denseLayers() > 0) {
            int up = shapes.gated() ? 2 * shapes.intermediate() : shapes.intermediate();
            linear(
                    shapes.gated() ? "linear, gate and up" : "linear, up",
                    step,
                    up,
                    shapes.hidden(),
                    shapes.denseLayers(),
                    each);
            activation(step, rows, each);
            linearAdd("linear, down", step, shapes.hidden(), shapes.intermediate(), shapes.denseLayers(), each);
        }
        head(step, each);
        sampling("sampling, greedy", step, greedy(step.batch.sequences()), 1, each);
        sampling("sampling, top-k 20, top-p 0.95", step, drawn(step.batch.sequences()), 0, each);
    }

    /** Makes one set of operands in the bench's memory and gives the launch over it. */
    private interface Operands {
        Runnable make();
    }

    private void time(
            String kernel,
            Step step,
            int rows,
            int perStep,
            long bytes,
            double operations,
            Operands operands,
            Consumer<KernelTime> each) {
        int sets = Math.clamp(Math.ceilDiv(CACHES * context.device().l2Bytes(), bytes), 1, MOST_SETS);
        long free = context.device().freeMemory();
        if (sets * bytes > free) {
            throw new IllegalArgumentException(kernel + " of " + rows + " rows over sequences of " + step.context
                    + " tokens needs " + ((sets * bytes) >> 20) + " MiB, " + (free >> 20) + " MiB are free on "
                    + context.device().name() + "; ask for smaller batches or shorter contexts");
        }
        try {
            List<Runnable> launches = new ArrayList<>();
            for (int i = 0; i < sets; i++) {
                launches.add(operands.make());
            }
            double seconds = timer.recorded(launches);
            each.accept(new KernelTime(kernel, rows, step.context, perStep, seconds, bytes, operations));
        } finally {
            memory.release();
        }
    }

    private void embed(Step step, Consumer<KernelTime> each) {
        int rows = step.batch.tokens();
        CudaLinear table = memory.linear(TYPE, shapes.vocab(), shapes.hidden());
        long bytes = 2 * TYPE.byteSize((long) rows * shapes.hidden());
        time(
                "embed",
                step,
                rows,
                1,
                bytes,
                0,
                () -> {
                    CudaTensor out = memory.tensor(TYPE, rows, shapes.hidden());
                    return () -> kernels.embed(out, table, step.batch, 1);
                },
                each);
    }

    private void norm(Step step, Consumer<KernelTime> each) {
        int rows = step.batch.tokens();
        int hidden = shapes.hidden();
        long bytes = 2 * TYPE.byteSize((long) rows * hidden) + DType.F32.byteSize(hidden);
        time(
                shapes.layerNorm() ? "layer norm" : "rms norm",
                step,
                rows,
                2 * shapes.layers() + 1,
                bytes,
                0,
                () -> {
                    CudaTensor x = memory.tensor(TYPE, rows, hidden);
                    CudaTensor out = memory.tensor(TYPE, rows, hidden);
                    CudaTensor weight = memory.tensor(DType.F32, hidden);
                    return shapes.layerNorm()
                            ? () -> kernels.layerNorm(out, x, weight, weight, EPS, rows)
                            : () -> kernels.rmsNorm(out, x, weight, EPS, rows);
                },
                each);
    }

    private void linear(String name, Step step, int out, int in, int perStep, Consumer<KernelTime> each) {
        product(name, step, step.batch.tokens(), out, in, TYPE, false, perStep, each);
    }

    private void linearAdd(String name, Step step, int out, int in, int perStep, Consumer<KernelTime> each) {
        product(name, step, step.batch.tokens(), out, in, TYPE, true, perStep, each);
    }

    /** Of each sequence's last row. */
    private void head(Step step, Consumer<KernelTime> each) {
        int rows = step.batch.sequences();
        product("linear, head", step, rows, shapes.vocab(), shapes.hidden(), DType.F32, false, 1, each);
    }

    private void product(
            String name,
            Step step,
            int rows,
            int out,
            int in,
            DType type,
            boolean add,
            int perStep,
            Consumer<KernelTime> each) {
        long written = type.byteSize((long) rows * out);
        long bytes = TYPE.byteSize((long) out * in + (long) rows * in) + (add ? 2 * written : written);
        time(
                name,
                step,
                rows,
                perStep,
                bytes,
                2.0 * rows * out * in,
                () -> {
                    CudaTensor x = memory.tensor(TYPE, rows, in);
                    CudaTensor y = memory.tensor(type, rows, out);
                    CudaLinear weight = memory.linear(TYPE, out, in);
                    return add ? () -> kernels.linearAdd(y, x, weight, rows) : () -> kernels.linear(y, x, weight, rows);
                },
                each);
    }

    private CudaKvCache cache(Step step) {
        AttentionShape shape = shapes.attention();
        KvLayout layout = new KvLayout(1, shape.kvHeads(), shape.headDim(), CudaKvCache.BLOCK, TYPE);
        int blocks = step.batch.sequences() * Math.ceilDiv(step.context, CudaKvCache.BLOCK);
        CudaKvCache sized = new CudaKvCache(layout, blocks, 0);
        return new CudaKvCache(layout, blocks, memory.take(sized.byteSize()));
    }

    private void rope(Step step, Consumer<KernelTime> each) {
        int rows = step.batch.tokens();
        int dim = shapes.attention().headDim();
        @Nullable
        RopeTable table = shapes.rotaryDim() == 0
                ? null
                : new RopeTable(memory.tensor(DType.F32, step.context, shapes.rotaryDim()), shapes.rotaryDim(), false);
        @Nullable Tensor norm = shapes.headNorms() ? memory.tensor(DType.F32, dim) : null;
        CudaKvCache cache = cache(step);
        long bytes = 2 * TYPE.byteSize((long) rows * shapes.qkvWidth())
                + DType.F32.byteSize((long) rows * shapes.rotaryDim());
        time(
                "rope and KV write",
                step,
                rows,
                shapes.layers(),
                bytes,
                0,
                () -> {
                    CudaTensor qkv = memory.tensor(TYPE, rows, shapes.qkvWidth());
                    return () ->
                            kernels.ropeAndCache(qkv, norm, norm, EPS, table, shapes.attention(), cache, 0, step.batch);
                },
                each);
    }

    private void attention(Step step, Consumer<KernelTime> each) {
        int rows = step.batch.tokens();
        AttentionShape shape = shapes.attention();
        long bytes =
                TYPE.byteSize(2L * step.keys * shape.kvHeads() * shape.headDim() + 2L * rows * shapes.queryWidth());
        double operations = 4.0 * step.pairs * shape.heads() * shape.headDim();
        Operands operands = () -> {
            CudaTensor qkv = memory.tensor(TYPE, rows, shapes.qkvWidth());
            CudaTensor out = memory.tensor(TYPE, rows, shapes.queryWidth());
            CudaKvCache cache = cache(step);
            return () -> kernels.attention(out, qkv, shape, cache, 0, step.batch);
        };
        // The first step with a geometry brings its work list by a copy of its own; later ones have it from the start.
        inStep(step, () -> {
            operands.make().run();
            memory.release();
        });
        inStep(step, () -> time(step.attention, step, rows, shapes.layers(), bytes, operations, operands, each));
    }

    private void inStep(Step step, Runnable body) {
        state.begin(step.batch, null, step.recorded, null);
        state.send();
        try {
            body.run();
        } finally {
            state.end();
        }
    }

    private void activation(Step step, int rows, Consumer<KernelTime> each) {
        int inner = shapes.intermediate();
        long matrix = TYPE.byteSize((long) rows * inner);
        time(
                shapes.gated() ? "gated activation" : "activation",
                step,
                rows,
                shapes.denseLayers(),
                shapes.gated() ? 3 * matrix : 2 * matrix,
                0,
                () -> {
                    CudaTensor in = memory.tensor(TYPE, rows, shapes.gated() ? 2L * inner : inner);
                    if (!shapes.gated()) {
                        return () -> kernels.activation(in, shapes.activation(), rows);
                    }
                    CudaTensor out = memory.tensor(TYPE, rows, inner);
                    return () -> kernels.gatedActivation(out, in, shapes.activation(), rows);
                },
                each);
    }

    private static SamplingBatch greedy(int rows) {
        SamplingBatch batch = new SamplingBatch(rows);
        batch.count = rows;
        Arrays.fill(batch.topP, 1);
        Arrays.fill(batch.repetitionPenalty, 1);
        Arrays.fill(batch.logprobs, -1);
        for (int i = 0; i < rows; i++) {
            batch.row[i] = i;
            batch.seed[i] = i;
        }
        return batch;
    }

    private static SamplingBatch drawn(int rows) {
        SamplingBatch batch = greedy(rows);
        Arrays.fill(batch.temperature, 0.6f);
        Arrays.fill(batch.topK, 20);
        Arrays.fill(batch.topP, 0.95f);
        return batch;
    }

    private void sampling(String name, Step step, SamplingBatch batch, int perStep, Consumer<KernelTime> each) {
        int rows = batch.count;
        int vocab = shapes.vocab();
        long parameterBytes = SamplingBlock.parameterBytes(batch, vocab);
        long resultBytes = SamplingBlock.resultBytes(batch, vocab);
        try (SamplingKernels samplers = new SamplingKernels(context, vocab, rows, parameterBytes, resultBytes);
                PinnedMemory pinned = PinnedMemory.allocate(context.device(), parameterBytes)) {
            SamplingBlock.Plan plan = samplers.write(batch, rows, pinned.segment());
            long parameters = memory.take(parameterBytes);
            long results = memory.take(resultBytes);
            long sampled = memory.take(4L * rows);
            context.stream().upload(parameters, pinned.segment(), parameterBytes);
            time(
                    name,
                    step,
                    rows,
                    perStep,
                    DType.F32.byteSize((long) rows * vocab),
                    0,
                    () -> {
                        CudaTensor logits = memory.tensor(DType.F32, rows, vocab);
                        return () -> samplers.launch(logits, plan, parameters, results, sampled);
                    },
                    each);
        }
    }
}
