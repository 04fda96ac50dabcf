package dev.apus.kernels.cuda;

import dev.apus.kernels.Activation;
import dev.apus.kernels.AttentionShape;
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
final class CudaKernels implements Kernels {
    private final CudaBackend backend;
    private final NormKernels norms;
    private final PointwiseKernels pointwise;
    private final RopeKernels rope;
    private final AttentionKernels attention;
    private final LinearKernels linear;
    private final MoeKernels moe;

    CudaKernels(CudaBackend backend, KernelContext context) {
        this.backend = backend;
        norms = new NormKernels(context);
        pointwise = new PointwiseKernels(context);
        rope = new RopeKernels(context);
        attention = new AttentionKernels(context);
        linear = new LinearKernels(context);
        moe = new MoeKernels(context, linear);
    }

    private static CudaTensor t(Tensor tensor) {
        if (tensor instanceof CudaTensor cuda) {
            return cuda;
        }
        throw new IllegalArgumentException("a tensor of another backend: " + tensor);
    }

    private static @Nullable CudaTensor optional(@Nullable Tensor tensor) {
        return tensor == null ? null : t(tensor);
    }

    private static CudaLinear w(Linear weight) {
        if (weight instanceof CudaLinear cuda) {
            return cuda;
        }
        throw new IllegalArgumentException("a weight of another backend: " + weight);
    }

    private static CudaKvCache c(KvCache cache) {
        if (cache instanceof CudaKvCache cuda) {
            return cuda;
        }
        throw new IllegalArgumentException("a KV cache of another backend: " + cache);
    }

    @Override
    public void embed(Tensor out, Linear table, StepBatch batch, float scale) {
        pointwise.embed(t(out), w(table), backend.meta(batch), scale);
    }

    @Override
    public void addPositions(Tensor x, Linear table, StepBatch batch, int offset) {
        pointwise.addPositions(t(x), w(table), backend.meta(batch), offset);
    }

    @Override
    public void rmsNorm(Tensor out, Tensor x, Tensor weight, float eps, int rows) {
        norms.rmsNorm(t(out), t(x), t(weight), eps, rows);
    }

    @Override
    public void addRmsNorm(Tensor out, Tensor residual, Tensor delta, Tensor weight, float eps, int rows) {
        norms.addRmsNorm(t(out), t(residual), t(delta), t(weight), eps, rows);
    }

    @Override
    public void layerNorm(Tensor out, Tensor x, Tensor weight, @Nullable Tensor bias, float eps, int rows) {
        norms.layerNorm(t(out), t(x), t(weight), optional(bias), eps, rows);
    }

    @Override
    public void rmsNormColumns(Tensor x, int from, int width, Tensor weight, float eps, int rows) {
        norms.rmsNormColumns(t(x), from, width, t(weight), eps, rows);
    }

    @Override
    public void addGated(Tensor x, Tensor delta, Tensor gate, int rows) {
        pointwise.addGated(t(x), t(delta), t(gate), rows);
    }

    @Override
    public void add(Tensor x, Tensor delta, int rows) {
        pointwise.add(t(x), t(delta), rows);
    }

    @Override
    public void scale(Tensor x, float factor, int rows) {
        pointwise.scale(t(x), factor, rows);
    }

    @Override
    public void softCap(Tensor x, float cap, int rows) {
        pointwise.softCap(t(x), cap, rows);
    }

    @Override
    public void linear(Tensor out, Tensor x, Linear weight, int rows) {
        linear.linear(t(out), t(x), w(weight), rows, false);
    }

    @Override
    public void linearAdd(Tensor out, Tensor x, Linear weight, int rows) {
        linear.linear(t(out), t(x), w(weight), rows, true);
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
        rope.ropeAndCache(
                t(qkv), optional(qNorm), optional(kNorm), eps, table, shape, c(cache), layer, backend.meta(batch));
    }

    @Override
    public void attention(Tensor out, Tensor qkv, AttentionShape shape, KvCache cache, int layer, StepBatch batch) {
        attention.attention(t(out), t(qkv), shape, c(cache), layer, backend.meta(batch), backend.plan(batch, shape));
    }

    @Override
    public void gatedActivation(Tensor out, Tensor gateUp, Activation activation, int rows) {
        pointwise.gatedActivation(t(out), t(gateUp), activation, rows);
    }

    @Override
    public void activation(Tensor x, Activation activation, int rows) {
        pointwise.activation(t(x), activation, rows);
    }

    @Override
    public void moe(Tensor out, Tensor x, Tensor routerLogits, MoeWeights weights, MoeShape shape, int rows) {
        moe.moe(t(out), t(x), t(routerLogits), weights, shape, rows);
    }

    @Override
    public void gatherLogitRows(Tensor out, Tensor x, StepBatch batch) {
        pointwise.gatherLogitRows(t(out), t(x), backend.meta(batch));
    }

    @Override
    public void sample(Tensor logits, SamplingBatch batch) {
        backend.sampleNow(t(logits), batch);
    }
}
