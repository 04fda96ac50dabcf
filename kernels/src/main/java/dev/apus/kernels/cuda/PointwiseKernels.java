package dev.apus.kernels.cuda;

import static dev.apus.kernels.cuda.DeviceOperands.matrix;
import static dev.apus.kernels.cuda.DeviceOperands.table;
import static dev.apus.kernels.cuda.DeviceOperands.width;

import dev.apus.kernels.Activation;
import dev.apus.kernels.DType;
import dev.apus.kernels.Linear;
import dev.apus.kernels.Tensor;
import java.lang.foreign.MemorySegment;

/** Launches the kernels of {@code pointwise.cu}: rows copied about, sums, non-linearities. */
final class PointwiseKernels implements AutoCloseable {
    /** Threads of every block: the source's constant. */
    private static final int THREADS = 256;
    /** Values that a thread takes at once. */
    private static final int UNIT = 8;
    /** Blocks that share a row at most; more would only be launched to do little. */
    private static final int MOST_PARTS = 8;

    private final KernelContext context;
    private final DType activation;
    private final KernelModule module;
    private final CudaFunction embed;
    private final CudaFunction addPositions;
    private final CudaFunction gatherRows;
    private final CudaFunction addGated;
    private final CudaFunction add;
    private final CudaFunction scale;
    private final CudaFunction scaleF32;
    private final CudaFunction softCap;
    private final CudaFunction softCapF32;
    private final CudaFunction activate;
    private final CudaFunction gatedActivation;

    PointwiseKernels(KernelContext context) {
        this.context = context;
        activation = context.activation();
        module = context.compiler().load("pointwise.cu", context.defines());
        embed = module.function("embed");
        addPositions = module.function("add_positions");
        gatherRows = module.function("gather_rows");
        addGated = module.function("add_gated");
        add = module.function("add");
        scale = module.function("scale");
        scaleF32 = module.function("scale_f32");
        softCap = module.function("soft_cap");
        softCapF32 = module.function("soft_cap_f32");
        activate = module.function("activation");
        gatedActivation = module.function("gated_activation");
    }

    /**
     * See {@link dev.apus.kernels.Kernels#embed}.
     *
     * @param step the bytes of {@code struct Step}
     * @param tokens rows to fill, padding included
     */
    void embed(Tensor out, Linear weight, MemorySegment step, int tokens, float factor) {
        CudaLinear rows = table(weight, "table", activation);
        int width = rows.inFeatures();
        context.args()
                .clear()
                .address(matrix(out, "out", activation, tokens, width).address())
                .address(rows.address())
                .struct(step, Long.BYTES)
                .i32(width)
                .f32(factor);
        launchRows(embed, tokens, width);
    }

    /** See {@link dev.apus.kernels.Kernels#addPositions}; {@code step} and {@code tokens} as in {@link #embed}. */
    void addPositions(Tensor x, Linear weight, MemorySegment step, int tokens, int offset) {
        CudaLinear rows = table(weight, "table", activation);
        int width = rows.inFeatures();
        context.args()
                .clear()
                .address(matrix(x, "x", activation, tokens, width).address())
                .address(rows.address())
                .struct(step, Long.BYTES)
                .i32(width)
                .i32(offset);
        launchRows(addPositions, tokens, width);
    }

    /**
     * See {@link dev.apus.kernels.Kernels#gatherLogitRows}.
     *
     * @param rows rows of {@code out} to fill, padding included
     */
    void gatherLogitRows(Tensor out, Tensor x, MemorySegment step, int rows) {
        CudaTensor source = matrix(x, "x", activation, 0);
        int width = width(source);
        context.args()
                .clear()
                .address(matrix(out, "out", activation, rows, width).address())
                .address(source.address())
                .struct(step, Long.BYTES)
                .i32(width);
        launchRows(gatherRows, rows, width);
    }

    /** See {@link dev.apus.kernels.Kernels#addGated}; the gate is F32. */
    void addGated(Tensor x, Tensor delta, Tensor gate, int rows) {
        CudaTensor target = matrix(x, "x", activation, rows);
        int width = width(target);
        context.args()
                .clear()
                .address(target.address())
                .address(matrix(delta, "delta", activation, rows, width).address())
                .address(matrix(gate, "gate", DType.F32, rows, 1).address())
                .i32(width);
        launchRows(addGated, rows, width);
    }

    /** See {@link dev.apus.kernels.Kernels#add}. */
    void add(Tensor x, Tensor delta, int rows) {
        CudaTensor target = matrix(x, "x", activation, rows);
        long values = (long) rows * width(target);
        context.args()
                .clear()
                .address(target.address())
                .address(matrix(delta, "delta", activation, rows, width(target)).address())
                .i64(values);
        launchValues(add, values);
    }

    /** See {@link dev.apus.kernels.Kernels#scale}. */
    void scale(Tensor x, float factor, int rows) {
        boolean logits = x.dtype() == DType.F32;
        CudaTensor target = matrix(x, "x", logits ? DType.F32 : activation, rows);
        long values = (long) rows * width(target);
        context.args().clear().address(target.address()).f32(factor).i64(values);
        launchValues(logits ? scaleF32 : scale, values);
    }

    /** See {@link dev.apus.kernels.Kernels#softCap}; of activations or of F32 logits. */
    void softCap(Tensor x, float cap, int rows) {
        boolean logits = x.dtype() == DType.F32;
        CudaTensor target = matrix(x, "x", logits ? DType.F32 : activation, rows);
        long values = (long) rows * width(target);
        context.args().clear().address(target.address()).f32(cap).i64(values);
        launchValues(logits ? softCapF32 : softCap, values);
    }

    /** See {@link dev.apus.kernels.Kernels#activation}. */
    void activation(Tensor x, Activation kind, int rows) {
        CudaTensor target = matrix(x, "x", activation, rows);
        long values = (long) rows * width(target);
        context.args().clear().address(target.address()).i32(number(kind)).i64(values);
        launchValues(activate, values);
    }

    /** See {@link dev.apus.kernels.Kernels#gatedActivation}. */
    void gatedActivation(Tensor out, Tensor gateUp, Activation kind, int rows) {
        CudaTensor source = matrix(gateUp, "gateUp", activation, rows);
        int width = width(source) / 2;
        context.args()
                .clear()
                .address(matrix(out, "out", activation, rows, width).address())
                .address(source.address())
                .i32(number(kind))
                .i32(width)
                .i32(rows);
        launchValues(gatedActivation, (long) rows * UNIT * ((width + UNIT - 1) / UNIT));
    }

    /** The kernels' number of an activation. */
    static int number(Activation kind) {
        return switch (kind) {
            case SILU -> 0;
            case GELU -> 1;
            case GELU_TANH -> 2;
            case RELU -> 3;
            case RELU2 -> 4;
        };
    }

    private void launchRows(CudaFunction function, int rows, int width) {
        if (rows > 0) {
            function.launch(context.stream(), rows, parts(width), 1, THREADS, 0, context.args());
        }
    }

    /** Blocks that share a row. */
    static int parts(int width) {
        int perBlock = width % UNIT == 0 ? THREADS * UNIT : THREADS;
        return Math.clamp((width + perBlock - 1) / perBlock, 1, MOST_PARTS);
    }

    private void launchValues(CudaFunction function, long values) {
        if (values > 0) {
            long blocks = (values + (long) THREADS * UNIT - 1) / ((long) THREADS * UNIT);
            function.launch(context.stream(), Math.toIntExact(blocks), 1, 1, THREADS, 0, context.args());
        }
    }

    @Override
    public void close() {
        module.close();
    }
}
