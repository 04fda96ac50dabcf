package dev.apus.models;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.kernels.Backend;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** Runs recorded cases through a decoder over a paged cache whose blocks are shuffled. */
final class GoldenRun {
    private static final int BLOCK = 16;
    /** A margin below it may flip by rounding; the greedy ids behind such a step say nothing. */
    private static final float SAFE_MARGIN = 1e-3f;

    private final Backend backend;
    private final Decoder decoder;
    private final KvCache cache;
    private final StepBatch batch;
    private final int[] blockTable;
    private final Device device;
    private final float tolerance;

    GoldenRun(Checkpoint checkpoint, Backend backend, int maxPositions, Device device, float tolerance) {
        this.backend = backend;
        this.device = device;
        this.tolerance = tolerance;
        decoder = Decoder.load(
                checkpoint.config(), checkpoint.weights(), backend, maxPositions, maxPositions, maxPositions);
        int blocks = (maxPositions + BLOCK - 1) / BLOCK;
        cache = backend.kvCache(decoder.kvLayout(BLOCK, backend.activationType()), blocks);
        batch = new StepBatch(maxPositions, 1, BLOCK);
        List<Integer> ids = new ArrayList<>();
        for (int i = 0; i < blocks; i++) {
            ids.add(i);
        }
        Collections.shuffle(ids, new Random(5));
        blockTable = ids.stream().mapToInt(Integer::intValue).toArray();
    }

    /** Checks logits, prompt log-probabilities and greedy ids, the prompt taken in chunks of {@code chunk} tokens. */
    void check(String what, GoldenCase golden, int chunk) {
        int vocab = decoder.vocabSize();
        int[] tokens = new int[golden.prompt().length + golden.greedy().length];
        System.arraycopy(golden.prompt(), 0, tokens, 0, golden.prompt().length);
        float[][] logits = new float[golden.prompt().length][];
        for (int from = 0; from < golden.prompt().length; from += chunk) {
            int count = Math.min(chunk, golden.prompt().length - from);
            Tensor out = step(tokens, from, count, golden.prompt().length);
            for (int i = 0; i < count; i++) {
                logits[from + i] = new float[vocab];
                backend.read(out, i, 1, logits[from + i]);
            }
        }
        float[] last = logits[logits.length - 1];
        float allowed = device.tolerance(what.split(",", 2)[0], tolerance, largest(golden.lastLogits()));
        assertClose(what + ": last logits", last, golden.lastLogits(), allowed);
        float[] logprobs = new float[golden.promptLogprobs().length];
        for (int i = 0; i < logprobs.length; i++) {
            logprobs[i] = logprob(logits[i], golden.prompt()[i + 1]);
        }
        // A log-probability moves by at most twice what the logits move by.
        assertClose(what + ": prompt logprobs", logprobs, golden.promptLogprobs(), Math.max(tolerance, 2 * allowed));
        float safe = Math.max(SAFE_MARGIN, 2 * allowed);
        for (int i = 0; i < golden.greedy().length && golden.greedyMargins()[i] >= safe; i++) {
            assertThat(argmax(last)).as(what + ": greedy id " + i).isEqualTo(golden.greedy()[i]);
            int position = golden.prompt().length + i;
            tokens[position] = golden.greedy()[i];
            boolean anew = decoder.ropeOffset(position) != decoder.ropeOffset(position + 1);
            int from = anew ? 0 : position;
            Tensor out = step(tokens, from, position + 1 - from, position + 1);
            backend.read(out, position - from, 1, last);
        }
    }

    private Tensor step(int[] tokens, int from, int count, int length) {
        batch.clear();
        batch.addSequence(tokens, from, count, blockTable, blockTable.length, 0, decoder.ropeOffset(length));
        return decoder.forward(batch, cache);
    }

    private static float largest(float[] values) {
        float most = 0;
        for (float value : values) {
            most = Math.max(most, Math.abs(value));
        }
        return most;
    }

    private static void assertClose(String what, float[] found, float[] expected, float allowed) {
        assertThat(found).as(what).hasSameSizeAs(expected);
        int worst = 0;
        for (int i = 0; i < found.length; i++) {
            assertThat(found[i]).as(what + " at " + i).isFinite();
            if (Math.abs(found[i] - expected[i]) > Math.abs(found[worst] - expected[worst])) {
                worst = i;
            }
        }
        if (found.length > 0) {
            assertThat(Math.abs(found[worst] - expected[worst]))
                    .as("%s: difference at %d of %s from %s", what, worst, found[worst], expected[worst])
                    .isLessThanOrEqualTo(allowed);
        }
    }

    private static float logprob(float[] logits, int id) {
        double max = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            max = Math.max(max, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - max);
        }
        return (float) (logits[id] - max - Math.log(sum));
    }

    private static int argmax(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) {
                best = i;
            }
        }
        return best;
    }
}
