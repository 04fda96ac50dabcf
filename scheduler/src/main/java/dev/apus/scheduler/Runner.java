package dev.apus.scheduler;

import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;

/** What the engine runs its steps on. Used by the engine's thread only. */
public interface Runner {
    /** Width of the logits: token ids are below it. */
    int vocabSize();

    /**
     * The {@code ropeOffset} by which a sequence of {@code length} known tokens is added to a batch; 0 for nearly all models. A sequence
     * whose offset changes as it grows is computed anew, and sequences of different offsets share no cached keys.
     */
    default int ropeOffset(int length) {
        return 0;
    }

    /**
     * Computes the keys and values of the batch's tokens, the logits of its logit rows, and the results of {@code sampling}, whose rows
     * count the batch's logit rows. May be called again with some sequences of a batch on which it threw.
     */
    void step(StepBatch batch, SamplingBatch sampling);
}
