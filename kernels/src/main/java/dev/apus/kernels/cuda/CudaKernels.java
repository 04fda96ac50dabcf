package dev.apus.kernels.cuda;

import dev.apus.kernels.Activation;
import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.DType;
import dev.apus.kernels.Kernels;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.Linear;
import dev.apus.kernels.MoeShape;
import dev.apus.kernels.MoeWeights;
import dev.apus.kernels.RopeTable;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The kernels of a CUDA device: each call is a launch or two on the backend's stream, and returns at once.
 *
 * <p>Within {@link CudaBackend#launch} the step's metadata is on the device already; a kernel that is called by itself (tests, golden
 * runs) brings it there first.
 */
final class CudaKernels implements Kernels, AutoCloseable {
    private final StepState step;
    private final DType activation;
    private final NormKernels norms;
    private final PointwiseKernels pointwise;
    private final RopeKernels rope;
    private final AttentionKernels attention;
    private final LinearKernels linear;
    private final MoeKernels moe;

    CudaKernels(KernelContext context, StepState step) {
        this.step = step;
        activation = context.activation();
        norms = new NormKernels(context);
        pointwise = new PointwiseKernels(context);
        rope = new RopeKernels(context);
        attention = new AttentionKernels(context);
        linear = new LinearKernels(context);
        moe = new MoeKernels(context, linear);
    }

    /** Whether cuBLASLt is there. */
    boolean hasLibrary() {
        return linear.hasLibrary();
    }

    private static CudaTensor any(Tensor tensor) {
        if (tensor instanceof CudaTensor cuda) {
            return cuda;
        }
        throw new IllegalArgumentException("a tensor of another backend: " + tensor);
    }

    private static CudaLinear weight(Linear linear) {
        if (linear instanceof CudaLinear cuda) {
            return cuda;
        }
        throw new IllegalArgumentException("a weight of another backend: " + linear);
    }

    @Override
    public void embed(Tensor out, Linear table, StepBatch batch, float scale) {
        StepMeta meta = step.of(batch);
        pointwise.embed(out, table, meta.step(), meta.tokens(), scale);
    }

    @Override
    public void addPositions(Tensor x, Linear table, StepBatch batch, int offset) {
        StepMeta meta = step.of(batch);
        pointwise.addPositions(x, table, meta.step(), meta.tokens(), offset);
    }

    @Override
    public void rmsNorm(Tensor out, Tensor x, Tensor weight, float eps, int rows) {
        norms.rmsNorm(out, x, weight, eps, rows);
    }

    @Override
    public void addRmsNorm(Tensor out, Tensor residual, Tensor delta, Tensor weight, float eps, int rows) {
        norms.addRmsNorm(out, residual, delta, weight, eps, rows);
    }

    @Override
    public void layerNorm(Tensor out, Tensor x, Tensor weight, @Nullable Tensor bias, float eps, int rows) {
        norms.layerNorm(out, x, weight, bias, eps, rows);
    }

    @Override
    public void rmsNormColumns(Tensor x, int from, int width, Tensor weight, float eps, int rows) {
        norms.rmsNormColumns(x, from, width, weight, eps, rows);
    }

    @Override
    public void addGated(Tensor x, Tensor delta, Tensor gate, int rows) {
        pointwise.addGated(x, delta, gate, rows);
    }

    @Override
    public void add(Tensor x, Tensor delta, int rows) {
        pointwise.add(x, delta, rows);
    }

    @Override
    public void scale(Tensor x, float factor, int rows) {
        pointwise.scale(x, factor, rows);
    }

    @Override
    public void softCap(Tensor x, float cap, int rows) {
        pointwise.softCap(x, cap, rows);
    }

    @Override
    public void linear(Tensor out, Tensor x, Linear weight, int rows) {
        linear.linear(any(out), any(x), weight(weight), rows, false);
    }

    @Override
    public void linearAdd(Tensor out, Tensor x, Linear weight, int rows) {
        linear.linear(any(out), any(x), weight(weight), rows, true);
    }

    @Override
    public void ropeAndCache(
            Tensor qkv,
            @Nullable Tensor qNorm,
            @Nullable Tensor kNorm,
            float eps,
            @Nullable RopeTable table,
            AttentionShape shape,
            KvCache cache,
            int layer,
            StepBatch batch) {
        StepMeta meta = step.of(batch);
        rope.ropeAndCache(qkv, qNorm, kNorm, eps, table, shape, cache, layer, meta.step(), meta.tokens());
    }

    @Override
    public void attention(Tensor out, Tensor qkv, AttentionShape shape, KvCache cache, int layer, StepBatch batch) {
        StepMeta meta = step.of(batch);
        attention.attention(
                DeviceOperands.typed(out, "out", activation),
                DeviceOperands.typed(qkv, "qkv", activation),
                shape,
                DeviceOperands.cache(cache),
                layer,
                meta,
                step.work(batch, shape));
    }

    @Override
    public void gatedActivation(Tensor out, Tensor gateUp, Activation activation, int rows) {
        pointwise.gatedActivation(out, gateUp, activation, rows);
    }

    @Override
    public void activation(Tensor x, Activation activation, int rows) {
        pointwise.activation(x, activation, rows);
    }

    @Override
    public void moe(Tensor out, Tensor x, Tensor routerLogits, MoeWeights weights, MoeShape shape, int rows) {
        moe.moe(any(out), any(x), any(routerLogits), weights, shape, rows);
    }

    @Override
    public void gatherLogitRows(Tensor out, Tensor x, StepBatch batch) {
        StepMeta meta = step.of(batch);
        pointwise.gatherLogitRows(out, x, meta.step(), meta.logitRows());
    }

    @Override
    public void sample(Tensor logits, SamplingBatch batch) {
        step.sampleAlone(DeviceOperands.typed(logits, "logits", DType.F32), batch);
    }

    @Override
    public void close() {
        moe.close();
        linear.close();
        attention.close();
        rope.close();
        pointwise.close();
        norms.close();
    }
}
