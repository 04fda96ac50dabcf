package dev.apus.scheduler;

import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import java.util.ArrayDeque;
import java.util.Arrays;

/** What a device that runs behind the host does about tokens and results, for tests: placeholders in, results late. */
final class TwoDeep {
    /** What a result is before its step is awaited: an id that breaks whatever reads it. */
    private static final int NOT_YET = Integer.MIN_VALUE;

    /** What the step launched last draws. */
    private int[] last = new int[0];

    private final ArrayDeque<Results> kept = new ArrayDeque<>();

    private record Results(
            int[] ids, float[] logprobs, int[] ranks, boolean[] corrupted, int[][] topIds, float[][] topLogprobs) {}

    /** Puts the ids that the step before draws in the place of negative ones. */
    void resolve(StepBatch batch, SamplingBatch sampling) {
        resolve(batch.tokenIds, batch.tokens());
        for (int i = 0; i < sampling.count; i++) {
            int[] history = sampling.history[i];
            if (history != null) {
                // A copy: the engine goes on with the array, and the device has uploaded it by then.
                int[] uploaded = Arrays.copyOf(history, sampling.historyLength[i]);
                resolve(uploaded, uploaded.length);
                sampling.history[i] = uploaded;
            }
        }
    }

    private void resolve(int[] ids, int count) {
        for (int i = 0; i < count; i++) {
            if (ids[i] < 0) {
                ids[i] = last[-1 - ids[i]];
            }
        }
    }

    /** Remembers the results of a step. */
    void keep(SamplingBatch sampling) {
        int n = sampling.count;
        last = Arrays.copyOf(sampling.sampledId, n);
        kept.add(new Results(
                last,
                Arrays.copyOf(sampling.sampledLogprob, n),
                Arrays.copyOf(sampling.sampledRank, n),
                Arrays.copyOf(sampling.corrupted, n),
                Arrays.copyOf(sampling.topId, n),
                Arrays.copyOf(sampling.topLogprob, n)));
    }

    /** Makes results that are not there yet unusable. */
    void poison(SamplingBatch sampling) {
        for (int i = 0; i < sampling.count; i++) {
            sampling.sampledId[i] = NOT_YET;
            sampling.sampledLogprob[i] = Float.NaN;
            sampling.sampledRank[i] = NOT_YET;
            sampling.corrupted[i] = true;
            sampling.topId[i] = null;
            sampling.topLogprob[i] = null;
        }
    }

    /** Fills in the results of the oldest step. */
    void deliver(SamplingBatch sampling) {
        Results results = kept.remove();
        int n = results.ids().length;
        if (n != sampling.count) {
            throw new AssertionError("the sampling batch of a step in flight has changed");
        }
        System.arraycopy(results.ids(), 0, sampling.sampledId, 0, n);
        System.arraycopy(results.logprobs(), 0, sampling.sampledLogprob, 0, n);
        System.arraycopy(results.ranks(), 0, sampling.sampledRank, 0, n);
        System.arraycopy(results.corrupted(), 0, sampling.corrupted, 0, n);
        System.arraycopy(results.topIds(), 0, sampling.topId, 0, n);
        System.arraycopy(results.topLogprobs(), 0, sampling.topLogprob, 0, n);
    }
}
