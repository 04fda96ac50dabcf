package dev.apus.scheduler;

import dev.apus.kernels.Backend;
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

    private final Backend backend;
    private final Backend.Forward forward;
    private final int vocabSize;
    private final IntUnaryOperator ropeOffset;

    public DecoderRunner(Decoder decoder, Backend backend, KvCache cache) {
        this(decoder::forward, backend, cache, decoder.vocabSize(), decoder::ropeOffset);
    }

    /** Runs something like a decoder, whose sequences are all rotated alike. */
    public DecoderRunner(Forward decoder, Backend backend, KvCache cache, int vocabSize) {
        this(decoder, backend, cache, vocabSize, length -> 0);
    }

    private DecoderRunner(Forward decoder, Backend backend, KvCache cache, int vocabSize, IntUnaryOperator ropeOffset) {
        this.backend = backend;
        this.ropeOffset = ropeOffset;
        this.vocabSize = vocabSize;
        forward = batch -> decoder.forward(batch, cache);
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
    public void launch(StepBatch batch, SamplingBatch sampling) {
        backend.launch(batch, sampling, forward);
    }

    @Override
    public void await(SamplingBatch sampling) {
        backend.await(sampling);
    }

    @Override
    public int stepsInFlight() {
        return backend.stepsInFlight();
    }
}
