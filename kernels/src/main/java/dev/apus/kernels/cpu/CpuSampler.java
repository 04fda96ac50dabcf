package dev.apus.kernels.cpu;

import dev.apus.kernels.SamplingBatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Samples ids from logits in host memory. Used by one thread. */
final class CpuSampler {
    /**
     * Fills the results of {@code batch}: the likeliest id and its log-probability.
     *
     * @param logits F32 rows of {@code vocab} values
     */
    void sample(MemorySegment logits, int vocab, SamplingBatch batch) {
        for (int i = 0; i < batch.count; i++) {
            sampleRow(logits, (long) batch.row[i] * vocab, vocab, batch, i);
        }
    }

    private static void sampleRow(MemorySegment logits, long start, int vocab, SamplingBatch batch, int i) {
        int best = 0;
        float max = Float.NEGATIVE_INFINITY;
        boolean corrupted = false;
        for (int id = 0; id < vocab; id++) {
            float logit = logits.getAtIndex(ValueLayout.JAVA_FLOAT, start + id);
            corrupted |= Float.isNaN(logit);
            if (logit > max) {
                max = logit;
                best = id;
            }
        }
        double sum = 0;
        for (int id = 0; id < vocab; id++) {
            sum += Math.exp(logits.getAtIndex(ValueLayout.JAVA_FLOAT, start + id) - max);
        }
        batch.sampledId[i] = best;
        batch.sampledLogprob[i] = (float) -Math.log(sum);
        batch.sampledRank[i] = 1;
        batch.corrupted[i] = corrupted;
    }
}
