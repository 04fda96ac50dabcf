package dev.apus.scheduler;

import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;

/**
 * What the engine runs its steps on. Used by the engine's thread only.
 *
 * <p>Where {@link #stepsInFlight} is 1, a step that throws concerns its own sequences: the engine runs them again one by one. Where it is
 * more, whatever {@link #launch} or {@link #await} throws is a fault of the device, which loses all that was computed.
 */
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
     * Launches a step: the keys and values of the batch's tokens, the logits of its logit rows, and the results of {@code sampling}, whose
     * rows count the batch's logit rows. May be called again with some sequences of a batch on which it threw.
     *
     * <p>Until {@link #await} has returned, {@code sampling} belongs to the runner; {@code batch} may be refilled at once. Steps run in
     * the order of their launches, each after the one before has ended. A negative token id {@code -1 - r} in the batch or in a history
     * stands for the id that row r of the step launched just before draws; a history's array may show that id itself once that step has
     * been awaited.
     */
    void launch(StepBatch batch, SamplingBatch sampling);

    /** Waits for the oldest launched step, whose results are then in its sampling batch. */
    void await(SamplingBatch sampling);

    /** Launched steps that may wait to be awaited: 1 where a launch computes at once, 2 where the host runs ahead of the device. */
    default int stepsInFlight() {
        return 1;
    }
}
