package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.Operands.matrix;
import static dev.apus.kernels.cpu.Operands.width;

import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Kernels;
import dev.apus.kernels.Linear;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Supplier;

/**
 * The kernels that are the same for every CPU provider: rows copied about, linear layers, sampling. What computes on activations is each
 * provider's own, so that the oracle is compared with something else than itself.
 */
abstract class CpuKernels implements Kernels {
    final CpuPool pool;
    private final CpuSampler sampler;
    /** One embedding row on its way; grows to the widest table. */
    private float[] row = new float[0];

    private MemorySegment rowSegment = MemorySegment.ofArray(row);

    /** @param passes makes the passes over logits of one thread */
    CpuKernels(CpuPool pool, Supplier<LogitPasses> passes) {
        this.pool = pool;
        sampler = new CpuSampler(pool, passes);
    }

    @Override
    public final void embed(Tensor out, Linear table, StepBatch batch, float scale) {
        CpuLinear weight = Operands.linear(table);
        int width = weight.inFeatures();
        HostTensor target = matrix(out, "out", batch.tokens(), width);
        for (int t = 0; t < batch.tokens(); t++) {
            weight.row(checkedRow(batch.tokenIds[t], weight, "token id"), target.data(), 4L * t * width);
        }
        if (scale != 1) {
            scale(out, scale, batch.tokens());
        }
    }

    @Override
    public final void addPositions(Tensor x, Linear table, StepBatch batch, int offset) {
        CpuLinear weight = Operands.linear(table);
        int width = weight.inFeatures();
        MemorySegment target = matrix(x, "x", batch.tokens(), width).data();
        if (row.length < width) {
            row = new float[width];
            rowSegment = MemorySegment.ofArray(row);
        }
        for (int t = 0; t < batch.tokens(); t++) {
            weight.row(checkedRow(batch.positions[t] + offset, weight, "position"), rowSegment, 0);
            for (int i = 0; i < width; i++) {
                long at = (long) t * width + i;
                target.setAtIndex(ValueLayout.JAVA_FLOAT, at, target.getAtIndex(ValueLayout.JAVA_FLOAT, at) + row[i]);
            }
        }
    }

    private static int checkedRow(int index, CpuLinear table, String what) {
        if (index < 0 || index >= table.outFeatures()) {
            throw new IllegalArgumentException(
                    what + " " + index + " is outside a table of " + table.outFeatures() + " rows");
        }
        return index;
    }

    @Override
    public final void linear(Tensor out, Tensor x, Linear weight, int rows) {
        multiply(out, x, weight, rows, false);
    }

    @Override
    public final void linearAdd(Tensor out, Tensor x, Linear weight, int rows) {
        multiply(out, x, weight, rows, true);
    }

    private void multiply(Tensor out, Tensor x, Linear weight, int rows, boolean accumulate) {
        CpuLinear cpu = Operands.linear(weight);
        HostTensor target = matrix(out, "out", rows, cpu.outFeatures());
        HostTensor source = matrix(x, "x", rows, cpu.inFeatures());
        cpu.multiply(target.data(), source.data(), rows, accumulate, pool);
    }

    @Override
    public final void gatherLogitRows(Tensor out, Tensor x, StepBatch batch) {
        HostTensor source = matrix(x, "x", batch.tokens());
        long bytes = 4L * width(source);
        MemorySegment target =
                matrix(out, "out", batch.logitRowCount(), width(source)).data();
        for (int i = 0; i < batch.logitRowCount(); i++) {
            MemorySegment.copy(source.data(), batch.logitRows[i] * bytes, target, i * bytes, bytes);
        }
    }

    @Override
    public final void sample(Tensor logits, SamplingBatch batch) {
        int rows = 0;
        for (int i = 0; i < batch.count; i++) {
            rows = Math.max(rows, batch.row[i] + 1);
        }
        HostTensor source = matrix(logits, "logits", rows);
        sampler.sample(source, batch);
    }
}
