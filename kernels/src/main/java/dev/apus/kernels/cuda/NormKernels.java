package dev.apus.kernels.cuda;

import static dev.apus.kernels.cuda.DeviceOperands.matrix;
import static dev.apus.kernels.cuda.DeviceOperands.vector;
import static dev.apus.kernels.cuda.DeviceOperands.width;

import dev.apus.kernels.DType;
import dev.apus.kernels.Tensor;
import org.jspecify.annotations.Nullable;

/** Launches the norms of {@code norm.cu}: a block per row. */
final class NormKernels implements AutoCloseable {
    /** From so many rows on the device is full of blocks and two units a thread move more bytes than one (measured on an H200). */
    private static final int MANY_ROWS = 1024;

    private final KernelContext context;
    private final DType activation;
    private final KernelModule module;
    private final CudaFunction rmsNorm;
    private final CudaFunction addRmsNorm;
    private final CudaFunction rmsNormColumns;
    private final CudaFunction layerNorm;

    NormKernels(KernelContext context) {
        this.context = context;
        activation = context.activation();
        module = context.compiler().load("norm.cu", context.defines());
        rmsNorm = module.function("rms_norm");
        addRmsNorm = module.function("add_rms_norm");
        rmsNormColumns = module.function("rms_norm_columns");
        layerNorm = module.function("layer_norm");
    }

    /** See {@link dev.apus.kernels.Kernels#rmsNorm}. */
    void rmsNorm(Tensor out, Tensor x, Tensor weight, float eps, int rows) {
        CudaTensor source = matrix(x, "x", activation, rows);
        int width = width(source);
        context.args()
                .clear()
                .address(matrix(out, "out", activation, rows, width).address())
                .address(source.address())
                .address(vector(weight, "weight", width))
                .f32(eps)
                .i32(width);
        launch(rmsNorm, rows, width);
    }

    /** See {@link dev.apus.kernels.Kernels#addRmsNorm}. */
    void addRmsNorm(Tensor out, Tensor residual, Tensor delta, Tensor weight, float eps, int rows) {
        CudaTensor target = matrix(residual, "residual", activation, rows);
        int width = width(target);
        context.args()
                .clear()
                .address(matrix(out, "out", activation, rows, width).address())
                .address(target.address())
                .address(matrix(delta, "delta", activation, rows, width).address())
                .address(vector(weight, "weight", width))
                .f32(eps)
                .i32(width);
        launch(addRmsNorm, rows, width);
    }

    /** See {@link dev.apus.kernels.Kernels#rmsNormColumns}. */
    void rmsNormColumns(Tensor x, int from, int width, Tensor weight, float eps, int rows) {
        CudaTensor target = matrix(x, "x", activation, rows);
        if (from < 0 || width <= 0 || from + (long) width > width(target)) {
            throw new IllegalArgumentException(
                    "columns " + from + " to " + (from + width) + " of x, which has " + width(target));
        }
        context.args()
                .clear()
                .address(target.address())
                .address(vector(weight, "weight", width))
                .f32(eps)
                .i32(width(target))
                .i32(from)
                .i32(width);
        launch(rmsNormColumns, rows, width);
    }

    /** See {@link dev.apus.kernels.Kernels#layerNorm}. */
    void layerNorm(Tensor out, Tensor x, Tensor weight, @Nullable Tensor bias, float eps, int rows) {
        CudaTensor source = matrix(x, "x", activation, rows);
        int width = width(source);
        context.args()
                .clear()
                .address(matrix(out, "out", activation, rows, width).address())
                .address(source.address())
                .address(vector(weight, "weight", width))
                .address(bias == null ? 0 : vector(bias, "bias", width))
                .f32(eps)
                .i32(width);
        launch(layerNorm, rows, width);
    }

    private void launch(CudaFunction function, int rows, int width) {
        if (rows > 0) {
            function.launch(context.stream(), rows, 1, 1, threads(width, rows), 0, context.args());
        }
    }

    /** Threads of a block: one unit of eight values each, two where there are many rows; a value each where no units fit. */
    static int threads(int width, int rows) {
        int units = width % 8 == 0 ? width / 8 : width;
        int each = rows >= MANY_ROWS ? 2 : 1;
        int threads = (units + each - 1) / each;
        return Math.min(1024, Math.max(1, (threads + 31) / 32) * 32);
    }

    @Override
    public void close() {
        module.close();
    }
}
