package dev.apus.scheduler;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Kernels;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.Linear;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.StepSizes;
import dev.apus.kernels.Tensor;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A GPU as the scheduler sees one, on the CPU's kernels: runs behind the engine, has memory of its own, and can be made to fail. */
final class FakeDevice implements Backend {
    static final long MEMORY = 1L << 30;
    /** What the driver and others take of it. */
    static final long TAKEN = 100L << 20;

    private final CpuBackend cpu = CpuBackend.create(new CpuOptions(CpuOptions.Provider.SCALAR, 1));
    private final TwoDeep placeholders = new TwoDeep();
    private final DType activations;
    private int stepsLeft = Integer.MAX_VALUE;
    boolean closed;

    FakeDevice(DType activations) {
        this.activations = activations;
    }

    /** After so many more steps it fails for good. */
    FakeDevice failingAfter(int steps) {
        stepsLeft = steps;
        return this;
    }

    @Override
    public String name() {
        return "cuda";
    }

    @Override
    public String description() {
        return "a test's device";
    }

    @Override
    public Kernels kernels() {
        return cpu.kernels();
    }

    @Override
    public DType activationType() {
        return activations;
    }

    @Override
    public List<DType> kvTypes() {
        return activations == DType.F32 ? List.of(DType.F32) : List.of(DType.BF16, DType.F8_E4M3);
    }

    @Override
    public Tensor allocate(DType dtype, long... shape) {
        return cpu.allocate(dtype, shape);
    }

    @Override
    public Tensor upload(HostTensor source) {
        return cpu.upload(source);
    }

    @Override
    public Linear linear(List<HostTensor> parts, @Nullable HostTensor bias) {
        return cpu.linear(parts, bias);
    }

    /** All as BF16. */
    @Override
    public long linearBytes(DType source, long out, long in) {
        return 2 * out * in;
    }

    @Override
    public KvCache kvCache(KvLayout layout, int blocks) {
        return cpu.kvCache(layout, blocks);
    }

    @Override
    public void launch(StepBatch batch, SamplingBatch sampling, Forward forward) {
        placeholders.resolve(batch, sampling);
        cpu.launch(batch, sampling, forward);
        placeholders.keep(sampling);
        placeholders.poison(sampling);
    }

    @Override
    public void await(SamplingBatch sampling) {
        if (stepsLeft-- <= 0) {
            throw new IllegalStateException("an illegal address");
        }
        placeholders.deliver(sampling);
    }

    @Override
    public int stepsInFlight() {
        return 2;
    }

    @Override
    public void read(Tensor source, long firstRow, int rows, float[] target) {
        cpu.read(source, firstRow, rows, target);
    }

    @Override
    public long freeMemory() {
        return MEMORY - TAKEN;
    }

    @Override
    public long dedicatedMemory() {
        return MEMORY;
    }

    @Override
    public long stepBytes(StepSizes largest) {
        return 10L << 20;
    }

    @Override
    public void close() {
        closed = true;
        cpu.close();
    }
}
