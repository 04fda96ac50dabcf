package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.Operands.columns;
import static dev.apus.kernels.cpu.Operands.matrix;
import static dev.apus.kernels.cpu.Operands.vector;
import static dev.apus.kernels.cpu.Operands.width;

import dev.apus.kernels.Activation;
import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.MoeShape;
import dev.apus.kernels.MoeWeights;
import dev.apus.kernels.RopeTable;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** The oracle: every kernel as plain loops with reductions in float64, on the caller's thread but for linear layers. */
final class ScalarKernels extends CpuKernels {
    private final ScalarAttention attention = new ScalarAttention();

    ScalarKernels(CpuPool pool) {
        super(pool, ScalarLogits::new);
    }

    private static float get(MemorySegment segment, long index) {
        return segment.getAtIndex(ValueLayout.JAVA_FLOAT, index);
    }

    private static void set(MemorySegment segment, long index, float value) {
        segment.setAtIndex(ValueLayout.JAVA_FLOAT, index, value);
    }

    @Override
    public void rmsNorm(Tensor out, Tensor x, Tensor weight, float eps, int rows) {
        HostTensor source = matrix(x, "x", rows);
        int width = width(source);
        MemorySegment target = matrix(out, "out", rows, width).data();
        MemorySegment weights = vector(weight, "weight", width).data();
        for (int r = 0; r < rows; r++) {
            long row = (long) r * width;
            double squares = 0;
            for (int i = 0; i < width; i++) {
                double value = get(source.data(), row + i);
                squares += value * value;
            }
            double factor = 1 / Math.sqrt(squares / width + eps);
            for (int i = 0; i < width; i++) {
                set(target, row + i, (float) (get(source.data(), row + i) * factor * get(weights, i)));
            }
        }
    }

    @Override
    public void addRmsNorm(Tensor out, Tensor residual, Tensor delta, Tensor weight, float eps, int rows) {
        add(residual, delta, rows);
        rmsNorm(out, residual, weight, eps, rows);
    }

    @Override
    public void layerNorm(Tensor out, Tensor x, Tensor weight, @Nullable Tensor bias, float eps, int rows) {
        HostTensor source = matrix(x, "x", rows);
        int width = width(source);
        MemorySegment target = matrix(out, "out", rows, width).data();
        MemorySegment weights = vector(weight, "weight", width).data();
        MemorySegment biases = bias == null ? null : vector(bias, "bias", width).data();
        for (int r = 0; r < rows; r++) {
            long row = (long) r * width;
            double mean = 0;
            for (int i = 0; i < width; i++) {
                mean += get(source.data(), row + i);
            }
            mean /= width;
            double variance = 0;
            for (int i = 0; i < width; i++) {
                double centred = get(source.data(), row + i) - mean;
                variance += centred * centred;
            }
            double factor = 1 / Math.sqrt(variance / width + eps);
            for (int i = 0; i < width; i++) {
                double y = (get(source.data(), row + i) - mean) * factor * get(weights, i);
                set(target, row + i, (float) (biases == null ? y : y + get(biases, i)));
            }
        }
    }

    @Override
    public void rmsNormColumns(Tensor x, int from, int width, Tensor weight, float eps, int rows) {
        HostTensor target = columns(x, from, width, rows);
        MemorySegment weights = vector(weight, "weight", width).data();
        for (int r = 0; r < rows; r++) {
            long start = (long) r * width(target) + from;
            double squares = 0;
            for (int i = 0; i < width; i++) {
                double value = get(target.data(), start + i);
                squares += value * value;
            }
            double factor = 1 / Math.sqrt(squares / width + eps);
            for (int i = 0; i < width; i++) {
                double value = get(target.data(), start + i) * factor;
                set(target.data(), start + i, (float) (value * get(weights, i)));
            }
        }
    }

    @Override
    public void addGated(Tensor x, Tensor delta, Tensor gate, int rows) {
        HostTensor target = matrix(x, "x", rows);
        int width = width(target);
        MemorySegment added = matrix(delta, "delta", rows, width).data();
        MemorySegment gates = matrix(gate, "gate", rows, 1).data();
        for (int r = 0; r < rows; r++) {
            double factor = ScalarMath.sigmoid(get(gates, r));
            for (long i = (long) r * width; i < (r + 1L) * width; i++) {
                set(target.data(), i, (float) (get(target.data(), i) + factor * get(added, i)));
            }
        }
    }

    @Override
    public void add(Tensor x, Tensor delta, int rows) {
        HostTensor target = matrix(x, "x", rows);
        MemorySegment added = matrix(delta, "delta", rows, width(target)).data();
        for (long i = 0; i < (long) rows * width(target); i++) {
            set(target.data(), i, get(target.data(), i) + get(added, i));
        }
    }

    @Override
    public void scale(Tensor x, float factor, int rows) {
        HostTensor target = matrix(x, "x", rows);
        for (long i = 0; i < (long) rows * width(target); i++) {
            set(target.data(), i, get(target.data(), i) * factor);
        }
    }

    @Override
    public void softCap(Tensor x, float cap, int rows) {
        HostTensor target = matrix(x, "x", rows);
        for (long i = 0; i < (long) rows * width(target); i++) {
            set(target.data(), i, (float) (cap * Math.tanh(get(target.data(), i) / (double) cap)));
        }
    }

    @Override
    public void ropeAndCache(
            Tensor qkv,
            @Nullable Tensor qNorm,
            @Nullable Tensor kNorm,
            float eps,
            @Nullable RopeTable rope,
            AttentionShape shape,
            KvCache cache,
            int layer,
            StepBatch batch) {
        CpuKvCache blocks = Operands.cache(cache);
        attention.ropeAndCache(
                Operands.qkv(qkv, shape, batch),
                qNorm == null ? null : vector(qNorm, "qNorm", shape.headDim()).data(),
                kNorm == null ? null : vector(kNorm, "kNorm", shape.headDim()).data(),
                eps,
                Operands.rope(rope, shape, batch),
                shape,
                blocks.checked(shape, layer, batch),
                layer,
                batch);
    }

    @Override
    public void attention(Tensor out, Tensor qkv, AttentionShape shape, KvCache cache, int layer, StepBatch batch) {
        CpuKvCache blocks = Operands.cache(cache);
        attention.attention(
                matrix(out, "out", batch.tokens(), (long) shape.heads() * shape.headDim())
                        .data(),
                Operands.qkv(qkv, shape, batch),
                shape,
                blocks.checked(shape, layer, batch),
                layer,
                batch);
    }

    @Override
    public void gatedActivation(Tensor out, Tensor gateUp, Activation activation, int rows) {
        HostTensor source = matrix(gateUp, "gateUp", rows);
        int width = width(source) / 2;
        MemorySegment target = matrix(out, "out", rows, width).data();
        for (int r = 0; r < rows; r++) {
            for (int i = 0; i < width; i++) {
                long gate = (long) r * 2 * width + i;
                double y = ScalarMath.apply(activation, get(source.data(), gate)) * get(source.data(), gate + width);
                set(target, (long) r * width + i, (float) y);
            }
        }
    }

    @Override
    public void activation(Tensor x, Activation activation, int rows) {
        HostTensor target = matrix(x, "x", rows);
        for (long i = 0; i < (long) rows * width(target); i++) {
            set(target.data(), i, (float) ScalarMath.apply(activation, get(target.data(), i)));
        }
    }

    @Override
    public void moe(Tensor out, Tensor x, Tensor routerLogits, MoeWeights weights, MoeShape shape, int rows) {
        HostTensor source = matrix(x, "x", rows);
        int width = width(source);
        MemorySegment target = matrix(out, "out", rows, width).data();
        MemorySegment logits =
                matrix(routerLogits, "routerLogits", rows, shape.experts()).data();
        Operands.checkExperts(weights, shape, width);
        int[] experts = new int[shape.topK()];
        float[] factors = new float[shape.topK()];
        try (Arena scratch = Arena.ofConfined()) {
            HostTensor gateUp = row(scratch, 2L * shape.intermediate());
            HostTensor inner = row(scratch, shape.intermediate());
            HostTensor outer = row(scratch, width);
            for (int r = 0; r < rows; r++) {
                MoeRouter.route(logits, 4L * r * shape.experts(), shape, experts, factors, 0);
                long at = (long) r * width;
                target.asSlice(4 * at, 4L * width).fill((byte) 0);
                for (int k = 0; k < experts.length; k++) {
                    Operands.linear(weights.gateUp().get(experts[k]))
                            .multiply(gateUp.data(), source.data().asSlice(4 * at, 4L * width), 1, false, pool);
                    gatedActivation(inner, gateUp, shape.activation(), 1);
                    Operands.linear(weights.down().get(experts[k]))
                            .multiply(outer.data(), inner.data(), 1, false, pool);
                    for (int i = 0; i < width; i++) {
                        set(target, at + i, get(target, at + i) + factors[k] * get(outer.data(), i));
                    }
                }
            }
        }
    }

    private static HostTensor row(Arena arena, long width) {
        return new HostTensor(DType.F32, new long[] {1, width}, arena.allocate(4 * width, NativeMemory.ALIGNMENT));
    }
}
