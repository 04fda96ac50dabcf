package dev.apus.scheduler;

import dev.apus.kernels.Kernels;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import dev.apus.models.Decoder;
import java.util.function.IntUnaryOperator;

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
    private final IntUnaryOperator ropeOffset;

    public DecoderRunner(Decoder decoder, Kernels kernels, KvCache cache) {
        this(decoder::forward, kernels, cache, decoder.vocabSize(), decoder::ropeOffset);
    }

    /** Runs something like a decoder, whose sequences are all rotated alike. */
    public DecoderRunner(Forward decoder, Kernels kernels, KvCache cache, int vocabSize) {
        this(decoder, kernels, cache, vocabSize, length -> 0);
    }

    private DecoderRunner(Forward decoder, Kernels kernels, KvCache cache, int vocabSize, IntUnaryOperator ropeOffset) {
        this.decoder = decoder;
        this.ropeOffset = ropeOffset;
        this.kernels = kernels;
        this.cache = cache;
        this.vocabSize = vocabSize;
    }

    @Override
    public int vocabSize() {
        return vocabSize;
    }

    @Override
    public int ropeOffset(int length) {
        return ropeOffset.applyAsInt(length);
    }

    @Override
    public void step(StepBatch batch, SamplingBatch sampling) {
        Tensor logits = decoder.forward(batch, cache);
        if (sampling.count > 0) {
            kernels.sample(logits, sampling);
        }
    }
}
