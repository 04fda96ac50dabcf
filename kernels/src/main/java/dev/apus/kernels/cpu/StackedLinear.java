package dev.apus.kernels.cpu;

import dev.apus.kernels.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What linear layers have in common whatever the layout of their weight: parts stacked by output, a bias, and the operands of the
 * multiplication that is running.
 *
 * <p>Driven by one thread at a time, which sets the operands; the pool's threads read them.
 */
abstract class StackedLinear implements CpuLinear, CpuPool.Task {
    final int inFeatures;
    final int outFeatures;
    /** Output of each part's first row. */
    final int[] firstOutput;
    /** {@code [outFeatures]}; empty without a bias. */
    final MemorySegment bias;

    /** Operands of {@link #multiply}. */
    MemorySegment out = MemorySegment.NULL;

    MemorySegment x = MemorySegment.NULL;
    int rows;
    boolean accumulate;

    /** Copies the bias. Parts and bias are those that {@link CpuBackend#linear} has checked. */
    StackedLinear(List<HostTensor> sources, @Nullable HostTensor biasSource, Arena arena) {
        inFeatures = Math.toIntExact(sources.getFirst().dim(1));
        firstOutput = new int[sources.size()];
        int row = 0;
        for (int i = 0; i < firstOutput.length; i++) {
            firstOutput[i] = row;
            row += Math.toIntExact(sources.get(i).dim(0));
        }
        outFeatures = row;
        bias = NativeMemory.allocate(arena, biasSource == null ? 0 : 4L * outFeatures);
        if (biasSource != null) {
            bias.copyFrom(biasSource.data());
        }
    }

    @Override
    public final int outFeatures() {
        return outFeatures;
    }

    @Override
    public final int inFeatures() {
        return inFeatures;
    }

    @Override
    public final long byteSize() {
        return bias.byteSize() + weightBytes();
    }

    @Override
    public final void multiply(MemorySegment out, MemorySegment x, int rows, boolean accumulate, CpuPool pool) {
        if (rows <= 0 || outFeatures == 0) {
            return;
        }
        this.out = out;
        this.x = x;
        this.rows = rows;
        this.accumulate = accumulate;
        start(pool);
    }

    /** The part that holds an output. */
    final int partOf(int output) {
        int part = firstOutput.length - 1;
        while (firstOutput[part] > output) {
            part--;
        }
        return part;
    }

    /** Bytes of the weight as it is kept. */
    abstract long weightBytes();

    /** Runs this task over the operands, of which there is at least one row and one output. */
    abstract void start(CpuPool pool);
}
