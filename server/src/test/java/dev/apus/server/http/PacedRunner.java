package dev.apus.server.http;

import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.scheduler.Runner;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** A model that always says {@code a}: a step takes some milliseconds by itself and some microseconds for each token. */
final class PacedRunner implements Runner {
    private final long stepMillis;
    private final long tokenMicros;
    private long due;

    PacedRunner(long stepMillis, long tokenMicros) {
        this.stepMillis = stepMillis;
        this.tokenMicros = tokenMicros;
    }

    @Override
    public int vocabSize() {
        return CharTokenizer.SIZE;
    }

    @Override
    public void launch(StepBatch batch, SamplingBatch sampling) {
        due = System.nanoTime()
                + TimeUnit.MILLISECONDS.toNanos(stepMillis)
                + TimeUnit.MICROSECONDS.toNanos(tokenMicros * batch.tokens());
    }

    @Override
    public void await(SamplingBatch sampling) {
        for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
        Arrays.fill(sampling.sampledId, 0, sampling.count, 'a');
    }
}
