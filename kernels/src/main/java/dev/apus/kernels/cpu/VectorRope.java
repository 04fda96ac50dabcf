package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.SPECIES;
import static dev.apus.kernels.cpu.VectorMath.load;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.RopeTable;
import dev.apus.kernels.StepBatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/** Head norms, rotary embedding and KV writes of a step, spread over the pool by tokens. */
final class VectorRope implements CpuPool.Task {
    /** Elements of qkv below which one thread is done before another has woken. */
    private static final int GRAIN = 8_192;

    private final CpuPool pool;
    private @Nullable MemorySegment qNorm;
    private @Nullable MemorySegment kNorm;
    private @Nullable MemorySegment table;
    private @Nullable StepBatch batch;
    private @Nullable CpuKvCache cache;
    private MemorySegment qkv = MemorySegment.NULL;
    private float eps;
    private int rotaryDim;
    private boolean interleaved;
    private boolean beforeNorms;
    private int heads;
    private int kvHeads;
    private int dim;
    private int layer;

    VectorRope(CpuPool pool) {
        this.pool = pool;
    }

    void ropeAndCache(
            MemorySegment qkv,
            @Nullable MemorySegment qNorm,
            @Nullable MemorySegment kNorm,
            float eps,
            @Nullable RopeTable rope,
            AttentionShape shape,
            CpuKvCache cache,
            int layer,
            StepBatch batch) {
        this.qkv = qkv;
        this.qNorm = qNorm;
        this.kNorm = kNorm;
        this.eps = eps;
        this.cache = cache;
        this.layer = layer;
        this.batch = batch;
        table = rope == null ? null : ((HostTensor) rope.cosSin()).data();
        rotaryDim = rope == null ? 0 : rope.rotaryDim();
        interleaved = rope != null && rope.interleaved();
        beforeNorms = rope != null && rope.beforeNorms();
        heads = shape.heads();
        kvHeads = shape.kvHeads();
        dim = shape.headDim();
        pool.run(this, pool.parts((long) batch.tokens() * (heads + 2 * kvHeads) * dim, GRAIN));
    }

    @Override
    public void run(int part, int parts, int thread) {
        StepBatch step = Operands.present(batch);
        CpuKvCache blocks = Operands.present(cache);
        int end = CpuPool.start(part + 1, parts, step.tokens(), CpuKvCache.BLOCK);
        for (int t = CpuPool.start(part, parts, step.tokens(), CpuKvCache.BLOCK); t < end; t++) {
            long row = 4L * t * (heads + 2 * kvHeads) * dim;
            for (int h = 0; h < heads + kvHeads; h++) {
                long at = row + 4L * h * dim;
                MemorySegment weight = h < heads ? qNorm : kNorm;
                if (table != null && beforeNorms) {
                    rotate(table, at, 4L * step.ropeRows[t] * rotaryDim);
                }
                if (weight != null) {
                    norm(at, weight);
                }
                if (table != null && !beforeNorms) {
                    rotate(table, at, 4L * step.ropeRows[t] * rotaryDim);
                }
            }
            long keys = row + 4L * heads * dim;
            store(blocks, keys, keys + 4L * kvHeads * dim, step.slots[t]);
        }
    }

    /** A head is too short for a vector sum to pay. */
    private void norm(long at, MemorySegment weight) {
        float squares = 0;
        for (int i = 0; i < dim; i++) {
            float value = qkv.get(ValueLayout.JAVA_FLOAT, at + 4L * i);
            squares += value * value;
        }
        float factor = (float) (1 / Math.sqrt(squares / dim + eps));
        for (int i = 0; i < dim; i++) {
            float value = qkv.get(ValueLayout.JAVA_FLOAT, at + 4L * i) * factor;
            qkv.set(ValueLayout.JAVA_FLOAT, at + 4L * i, value * weight.get(ValueLayout.JAVA_FLOAT, 4L * i));
        }
    }

    private void rotate(MemorySegment angles, long at, long row) {
        int half = rotaryDim / 2;
        if (interleaved) {
            rotatePairs(qkv, at, 2, 1, angles, row, half, 0);
        } else {
            int bound = SPECIES.loopBound(half);
            rotateHalves(qkv, at, angles, row, half, bound);
            rotatePairs(qkv, at, 1, half, angles, row, half, bound);
        }
    }

    private static void rotateHalves(MemorySegment x, long at, MemorySegment angles, long row, int half, int bound) {
        long second = at + 4L * half;
        long sines = row + 4L * half;
        for (int i = 0; i < bound; i += LANES) {
            FloatVector a = load(x, at + 4L * i);
            FloatVector b = load(x, second + 4L * i);
            FloatVector cos = load(angles, row + 4L * i);
            FloatVector sin = load(angles, sines + 4L * i);
            VectorMath.store(a.mul(cos).sub(b.mul(sin)), x, at + 4L * i);
            VectorMath.store(b.mul(cos).add(a.mul(sin)), x, second + 4L * i);
        }
    }

    /** Rotates pairs {@code (step i, step i + distance)} for i from {@code first} on: the same products as the vector form. */
    private static void rotatePairs(
            MemorySegment x, long at, int step, int distance, MemorySegment angles, long row, int half, int first) {
        for (int i = first; i < half; i++) {
            long low = at + 4L * i * step;
            long high = low + 4L * distance;
            float a = x.get(ValueLayout.JAVA_FLOAT, low);
            float b = x.get(ValueLayout.JAVA_FLOAT, high);
            float cos = angles.get(ValueLayout.JAVA_FLOAT, row + 4L * i);
            float sin = angles.get(ValueLayout.JAVA_FLOAT, row + 4L * (half + i));
            x.set(ValueLayout.JAVA_FLOAT, low, a * cos - b * sin);
            x.set(ValueLayout.JAVA_FLOAT, high, b * cos + a * sin);
        }
    }

    private void store(CpuKvCache blocks, long keys, long values, int slot) {
        int block = slot / CpuKvCache.BLOCK;
        int offset = slot % CpuKvCache.BLOCK;
        for (int h = 0; h < kvHeads; h++) {
            long head = 4L * h * dim;
            scatter(qkv, keys + head, blocks.data(), blocks.keys(layer, block, h) + 4L * offset, dim);
            long target = blocks.values(layer, block, h) + 4L * offset * blocks.valueStride();
            MemorySegment.copy(qkv, values + head, blocks.data(), target, 4L * dim);
        }
    }

    private static void scatter(MemorySegment from, long at, MemorySegment to, long target, int count) {
        for (int i = 0; i < count; i++) {
            to.set(
                    ValueLayout.JAVA_FLOAT,
                    target + 4L * i * CpuKvCache.BLOCK,
                    from.get(ValueLayout.JAVA_FLOAT, at + 4L * i));
        }
    }
}
