package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.Operands.columns;
import static dev.apus.kernels.cpu.Operands.matrix;
import static dev.apus.kernels.cpu.Operands.vector;
import static dev.apus.kernels.cpu.Operands.width;

import dev.apus.kernels.Activation;
import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.MoeShape;
import dev.apus.kernels.MoeWeights;
import dev.apus.kernels.RopeTable;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Kernels on the Vector API: checks the operands and hands their memory to the class that computes. */
final class VectorKernels extends CpuKernels {
    private final VectorNorm norm;
    private final VectorPointwise pointwise;
    private final VectorRope rope;
    private final VectorAttention attention;
    private final VectorMoe moe;

    /** @param arena lives as long as the backend; holds scratch memory */
    VectorKernels(CpuPool pool, Arena arena) {
        super(pool, LogitVectors::new);
        norm = new VectorNorm(pool);
        pointwise = new VectorPointwise(pool);
        rope = new VectorRope(pool);
        attention = new VectorAttention(pool, arena);
        moe = new VectorMoe(pool, pointwise, arena);
    }

    @Override
    public void rmsNorm(Tensor out, Tensor x, Tensor weight, float eps, int rows) {
        HostTensor source = matrix(x, "x", rows);
        int width = width(source);
        MemorySegment target = matrix(out, "out", rows, width).data();
        norm.rms(target, source.data(), null, vector(weight, "weight", width).data(), eps, rows, width);
    }

    @Override
    public void addRmsNorm(Tensor out, Tensor residual, Tensor delta, Tensor weight, float eps, int rows) {
        HostTensor source = matrix(residual, "residual", rows);
        int width = width(source);
        MemorySegment target = matrix(out, "out", rows, width).data();
        MemorySegment added = matrix(delta, "delta", rows, width).data();
        norm.rms(target, source.data(), added, vector(weight, "weight", width).data(), eps, rows, width);
    }

    @Override
    public void layerNorm(Tensor out, Tensor x, Tensor weight, @Nullable Tensor bias, float eps, int rows) {
        HostTensor source = matrix(x, "x", rows);
        int width = width(source);
        MemorySegment target = matrix(out, "out", rows, width).data();
        MemorySegment weights = vector(weight, "weight", width).data();
        MemorySegment biases = bias == null ? null : vector(bias, "bias", width).data();
        norm.layer(target, source.data(), weights, biases, eps, rows, width);
    }

    @Override
    public void rmsNormColumns(Tensor x, int from, int width, Tensor weight, float eps, int rows) {
        HostTensor target = columns(x, from, width, rows);
        MemorySegment weights = vector(weight, "weight", width).data();
        norm.rmsColumns(target.data(), from, width(target), weights, eps, rows, width);
    }

    @Override
    public void addGated(Tensor x, Tensor delta, Tensor gate, int rows) {
        HostTensor target = matrix(x, "x", rows);
        int width = width(target);
        MemorySegment added = matrix(delta, "delta", rows, width).data();
        pointwise.addGated(target.data(), added, matrix(gate, "gate", rows, 1).data(), rows, width);
    }

    @Override
    public void add(Tensor x, Tensor delta, int rows) {
        HostTensor target = matrix(x, "x", rows);
        int width = width(target);
        pointwise.add(target.data(), matrix(delta, "delta", rows, width).data(), rows, width);
    }

    @Override
    public void scale(Tensor x, float factor, int rows) {
        HostTensor target = matrix(x, "x", rows);
        pointwise.scale(target.data(), factor, rows, width(target));
    }

    @Override
    public void softCap(Tensor x, float cap, int rows) {
        HostTensor target = matrix(x, "x", rows);
        pointwise.softCap(target.data(), cap, rows, width(target));
    }

    @Override
    public void ropeAndCache(
            Tensor qkv,
            @Nullable Tensor qNorm,
            @Nullable Tensor kNorm,
            float eps,
            @Nullable RopeTable angles,
            AttentionShape shape,
            KvCache cache,
            int layer,
            StepBatch batch) {
        rope.ropeAndCache(
                Operands.qkv(qkv, shape, batch),
                qNorm == null ? null : vector(qNorm, "qNorm", shape.headDim()).data(),
                kNorm == null ? null : vector(kNorm, "kNorm", shape.headDim()).data(),
                eps,
                Operands.rope(angles, shape, batch),
                shape,
                Operands.cache(cache).checked(shape, layer, batch),
                layer,
                batch);
    }

    @Override
    public void attention(Tensor out, Tensor qkv, AttentionShape shape, KvCache cache, int layer, StepBatch batch) {
        long width = (long) shape.heads() * shape.headDim();
        attention.attention(
                matrix(out, "out", batch.tokens(), width).data(),
                Operands.qkv(qkv, shape, batch),
                shape,
                Operands.cache(cache).checked(shape, layer, batch),
                layer,
                batch);
    }

    @Override
    public void gatedActivation(Tensor out, Tensor gateUp, Activation activation, int rows) {
        HostTensor source = matrix(gateUp, "gateUp", rows);
        int width = width(source) / 2;
        MemorySegment target = matrix(out, "out", rows, width).data();
        pointwise.gated(target, source.data(), activation, rows, width);
    }

    @Override
    public void activation(Tensor x, Activation activation, int rows) {
        HostTensor target = matrix(x, "x", rows);
        pointwise.plain(target.data(), activation, rows, width(target));
    }

    @Override
    public void moe(Tensor out, Tensor x, Tensor routerLogits, MoeWeights weights, MoeShape shape, int rows) {
        HostTensor source = matrix(x, "x", rows);
        int width = width(source);
        MemorySegment target = matrix(out, "out", rows, width).data();
        MemorySegment logits =
                matrix(routerLogits, "routerLogits", rows, shape.experts()).data();
        Operands.checkExperts(weights, shape, width);
        moe.run(target, source.data(), logits, weights, shape, rows, width);
    }
}
