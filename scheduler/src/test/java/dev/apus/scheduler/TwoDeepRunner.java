package dev.apus.scheduler;

import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;

/** A runner that computes at once as one that runs behind the engine, for tests: it delivers results only when it is awaited. */
final class TwoDeepRunner implements Runner {
    private final Runner runner;
    private final TwoDeep placeholders = new TwoDeep();
    private int inFlight;

    TwoDeepRunner(Runner runner) {
        this.runner = runner;
    }

    @Override
    public int vocabSize() {
        return runner.vocabSize();
    }

    @Override
    public int ropeOffset(int length) {
        return runner.ropeOffset(length);
    }

    @Override
    public int stepsInFlight() {
        return 2;
    }

    @Override
    public void launch(StepBatch batch, SamplingBatch sampling) {
        if (inFlight++ == 2) {
            throw new AssertionError("more than two steps are in flight");
        }
        placeholders.resolve(batch, sampling);
        runner.launch(batch, sampling);
        runner.await(sampling);
        placeholders.keep(sampling);
        placeholders.poison(sampling);
        // Whoever reads them again reads nonsense.
        java.util.Arrays.fill(batch.tokenIds, -1_000_000);
    }

    @Override
    public void await(SamplingBatch sampling) {
        inFlight--;
        placeholders.deliver(sampling);
    }
}
