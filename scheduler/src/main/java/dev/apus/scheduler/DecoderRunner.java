package dev.apus.scheduler;

import dev.apus.kernels.Kernels;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;

/** Runs steps on a backend: a decoder's forward pass, then the sampling kernel. */
public final class DecoderRunner implements Runner {
    /** A decoder's forward pass. */
    @FunctionalInterface
    public interface Forward {
        /** Computes the batch and returns logits F32 {@code [logit rows, vocab]}, valid until the next call. */
        Tensor forward(StepBatch batch, KvCache cache);
    }

    private final Forward decoder;
    private final Kernels kernels;
    private final KvCache cache;
    private final int vocabSize;

    public DecoderRunner(Forward decoder, Kernels kernels, KvCache cache, int vocabSize) {
        this.decoder = decoder;
        this.kernels = kernels;
        this.cache = cache;
        this.vocabSize = vocabSize;
    }

    @Override
    public int vocabSize() {
        return vocabSize;
    }

    @Override
    public void step(StepBatch batch, SamplingBatch sampling) {
        Tensor logits = decoder.forward(batch, cache);
        if (sampling.count > 0) {
            kernels.sample(logits, sampling);
        }
    }
}
