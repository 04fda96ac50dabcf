package dev.apus.kernels.cpu;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.RopeTable;
import dev.apus.kernels.StepBatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Rotary embedding, KV writes and attention as their definitions read, sums in float64. */
final class ScalarAttention {
    private double[] scores = new double[0];
    private double[] sums = new double[0];
    private float[] head = new float[0];

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
        int dim = shape.headDim();
        head = head.length < dim ? new float[dim] : head;
        int heads = shape.heads() + 2 * shape.kvHeads();
        for (int t = 0; t < batch.tokens(); t++) {
            for (int h = 0; h < heads; h++) {
                long at = ((long) t * heads + h) * dim;
                MemorySegment.copy(qkv, ValueLayout.JAVA_FLOAT, 4 * at, head, 0, dim);
                int kvHead = h - shape.heads();
                if (kvHead < shape.kvHeads()) {
                    MemorySegment weight = kvHead < 0 ? qNorm : kNorm;
                    if (rope != null && rope.beforeNorms()) {
                        rotate(rope, batch.ropeRows[t]);
                        norm(weight, eps, dim);
                    } else {
                        norm(weight, eps, dim);
                        rotate(rope, batch.ropeRows[t]);
                    }
                }
                if (kvHead < 0) {
                    MemorySegment.copy(head, 0, qkv, ValueLayout.JAVA_FLOAT, 4 * at, dim);
                } else {
                    store(cache, layer, batch.slots[t], kvHead, shape);
                }
            }
        }
    }

    private void norm(@Nullable MemorySegment weight, float eps, int dim) {
        if (weight == null) {
            return;
        }
        double squares = 0;
        for (int i = 0; i < dim; i++) {
            squares += (double) head[i] * head[i];
        }
        double factor = 1 / Math.sqrt(squares / dim + eps);
        for (int i = 0; i < dim; i++) {
            head[i] = (float) (head[i] * factor * weight.getAtIndex(ValueLayout.JAVA_FLOAT, i));
        }
    }

    private void rotate(@Nullable RopeTable rope, int position) {
        if (rope == null) {
            return;
        }
        MemorySegment table = ((HostTensor) rope.cosSin()).data();
        int half = rope.rotaryDim() / 2;
        long row = (long) position * rope.rotaryDim();
        for (int i = 0; i < half; i++) {
            float cos = table.getAtIndex(ValueLayout.JAVA_FLOAT, row + i);
            float sin = table.getAtIndex(ValueLayout.JAVA_FLOAT, row + half + i);
            int first = rope.interleaved() ? 2 * i : i;
            int second = rope.interleaved() ? 2 * i + 1 : i + half;
            float a = head[first];
            float b = head[second];
            head[first] = a * cos - b * sin;
            head[second] = b * cos + a * sin;
        }
    }

    /** Writes {@link #head} as key, or as value if {@code kvHead} counts past the key heads. */
    private void store(CpuKvCache cache, int layer, int slot, int kvHead, AttentionShape shape) {
        int block = slot / CpuKvCache.BLOCK;
        int offset = slot % CpuKvCache.BLOCK;
        MemorySegment data = cache.data();
        if (kvHead < shape.kvHeads()) {
            long keys = cache.keys(layer, block, kvHead);
            for (int i = 0; i < shape.headDim(); i++) {
                data.set(ValueLayout.JAVA_FLOAT, keys + 4 * ((long) i * CpuKvCache.BLOCK + offset), head[i]);
            }
        } else {
            long values = cache.values(layer, block, kvHead - shape.kvHeads()) + 4L * offset * cache.valueStride();
            MemorySegment.copy(head, 0, data, ValueLayout.JAVA_FLOAT, values, shape.headDim());
        }
    }

    void attention(
            MemorySegment out, MemorySegment qkv, AttentionShape shape, CpuKvCache cache, int layer, StepBatch batch) {
        int dim = shape.headDim();
        sums = sums.length < dim ? new double[dim] : sums;
        long width = (long) (shape.heads() + 2 * shape.kvHeads()) * dim;
        for (int t = 0; t < batch.tokens(); t++) {
            for (int h = 0; h < shape.heads(); h++) {
                int kvHead = h / (shape.heads() / shape.kvHeads());
                attend(qkv, t * width + (long) h * dim, shape, cache, layer, batch, t, kvHead);
                for (int i = 0; i < dim; i++) {
                    out.setAtIndex(ValueLayout.JAVA_FLOAT, ((long) t * shape.heads() + h) * dim + i, (float) sums[i]);
                }
            }
        }
    }

    private void attend(
            MemorySegment qkv,
            long query,
            AttentionShape shape,
            CpuKvCache cache,
            int layer,
            StepBatch batch,
            int t,
            int kvHead) {
        int last = shape.bidirectional() ? batch.kvLength[batch.sequenceOf[t]] - 1 : batch.positions[t];
        int first = shape.slidingWindow() == 0 ? 0 : Math.max(0, last - shape.slidingWindow() + 1);
        scores = scores.length <= last ? new double[2 * last + 1] : scores;
        int blocks = batch.blockStart[batch.sequenceOf[t]];
        double max = Double.NEGATIVE_INFINITY;
        for (int p = first; p <= last; p++) {
            long keys = cache.keys(layer, batch.blockIds[blocks + p / CpuKvCache.BLOCK], kvHead);
            scores[p] = score(qkv, query, cache.data(), keys + 4L * (p % CpuKvCache.BLOCK), shape);
            max = Math.max(max, scores[p]);
        }
        double total = 0;
        Arrays.fill(sums, 0);
        for (int p = first; p <= last; p++) {
            double weight = Math.exp(scores[p] - max);
            total += weight;
            long values = cache.values(layer, batch.blockIds[blocks + p / CpuKvCache.BLOCK], kvHead)
                    + 4L * (p % CpuKvCache.BLOCK) * cache.valueStride();
            for (int i = 0; i < shape.headDim(); i++) {
                sums[i] += weight * cache.data().get(ValueLayout.JAVA_FLOAT, values + 4L * i);
            }
        }
        for (int i = 0; i < shape.headDim(); i++) {
            sums[i] /= total;
        }
    }

    private static double score(MemorySegment qkv, long query, MemorySegment keys, long key, AttentionShape shape) {
        double sum = 0;
        for (int i = 0; i < shape.headDim(); i++) {
            sum += (double) qkv.getAtIndex(ValueLayout.JAVA_FLOAT, query + i)
                    * keys.get(ValueLayout.JAVA_FLOAT, key + 4L * i * CpuKvCache.BLOCK);
        }
        double scaled = sum * shape.scale();
        return shape.softCap() == 0 ? scaled : shape.softCap() * Math.tanh(scaled / shape.softCap());
    }
}
