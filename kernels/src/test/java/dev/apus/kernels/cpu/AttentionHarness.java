package dev.apus.kernels.cpu;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.Backend;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.RopeTable;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Runs rope, KV writes and attention of made-up sequences, cut into steps in different ways. */
public final class AttentionHarness {
    /** What is computed: the geometry, the sequences' lengths and everything random about them. */
    public record Case(
            AttentionShape shape, int[] lengths, int rotaryDim, boolean interleaved, boolean norms, long seed) {
        int width() {
            return (shape.heads() + 2 * shape.kvHeads()) * shape.headDim();
        }
    }

    private static final int BLOCK = 16;
    private static final int LAYERS = 2;
    /** Every third sequence is rotated by rows that stand so far behind its positions. */
    private static final int OFFSET = 5;

    private final Case given;
    private final float[][] qkv;
    private final float[] norm;
    private final float[] angles;
    private final int longest;

    public AttentionHarness(Case given) {
        this.given = given;
        Random random = new Random(given.seed);
        qkv = new float[given.lengths.length][];
        int most = 0;
        for (int s = 0; s < qkv.length; s++) {
            qkv[s] = Floats.random(random, given.lengths[s] * given.width(), 1.5f);
            most = Math.max(most, given.lengths[s]);
        }
        longest = most;
        norm = Floats.random(random, given.shape.headDim(), 1);
        angles = new float[(longest + OFFSET) * Math.max(1, given.rotaryDim)];
        for (int p = 0; p < longest + OFFSET; p++) {
            for (int i = 0; i < given.rotaryDim / 2; i++) {
                double angle = p * Math.pow(10000, -2.0 * i / given.rotaryDim);
                angles[p * given.rotaryDim + i] = (float) Math.cos(angle);
                angles[p * given.rotaryDim + given.rotaryDim / 2 + i] = (float) Math.sin(angle);
            }
        }
    }

    /**
     * Outputs per sequence, {@code [position][heads * headDim]}, of one layer.
     *
     * @param plan decides block placement, chunking and company; null puts each sequence through alone and whole
     */
    public float[][] run(Backend backend, @Nullable Random plan) {
        int count = qkv.length;
        int perSequence = (longest + BLOCK - 1) / BLOCK;
        KvLayout layout = new KvLayout(
                LAYERS,
                given.shape.kvHeads(),
                given.shape.headDim(),
                BLOCK,
                backend.kvTypes().getFirst());
        KvCache cache = backend.kvCache(layout, count * perSequence);
        List<Integer> blocks = new ArrayList<>();
        for (int i = 0; i < count * perSequence; i++) {
            blocks.add(i);
        }
        if (plan != null) {
            Collections.shuffle(blocks, plan);
        }
        float[][] outputs = new float[count][];
        int outWidth = given.shape.heads() * given.shape.headDim();
        for (int s = 0; s < count; s++) {
            outputs[s] = new float[given.lengths[s] * outWidth];
        }
        int[] done = new int[count];
        int[] step = new int[count];
        while (next(plan, done, step)) {
            step(backend, cache, blocks, perSequence, done, step, outputs);
            for (int s = 0; s < count; s++) {
                done[s] += step[s];
            }
        }
        return outputs;
    }

    private static int offset(int sequence) {
        return sequence % 3 == 2 ? OFFSET : 0;
    }

    /** Tokens of each sequence in the next step; false when all are done. */
    private boolean next(@Nullable Random plan, int[] done, int[] step) {
        boolean any = false;
        boolean left = false;
        for (int s = 0; s < step.length; s++) {
            int remaining = given.lengths[s] - done[s];
            left |= remaining > 0;
            if (plan == null) {
                step[s] = any ? 0 : remaining;
            } else if (given.shape.bidirectional()) { // whole sequences in one step, that is the contract
                step[s] = remaining;
            } else {
                int most = plan.nextInt(4) == 0 ? remaining : 1 + plan.nextInt(40);
                step[s] = plan.nextInt(3) == 0 ? 0 : Math.min(remaining, plan.nextBoolean() ? 1 : most);
            }
            any |= step[s] > 0;
        }
        return any || (left && next(plan, done, step));
    }

    private void step(
            Backend backend,
            KvCache cache,
            List<Integer> blocks,
            int perSequence,
            int[] done,
            int[] step,
            float[][] outputs) {
        StepBatch batch = new StepBatch(longest * step.length, step.length, BLOCK);
        int width = given.width();
        float[] input = new float[longest * step.length * width];
        for (int s = 0; s < step.length; s++) {
            if (step[s] > 0) {
                System.arraycopy(qkv[s], done[s] * width, input, batch.tokens() * width, step[s] * width);
                int[] table = new int[perSequence];
                for (int b = 0; b < perSequence; b++) {
                    table[b] = blocks.get(s * perSequence + b);
                }
                batch.addSequence(new int[given.lengths[s]], done[s], step[s], table, perSequence, step[s], offset(s));
            }
        }
        Tensor x = Floats.activations(backend, input, input.length / width, width);
        Tensor out = backend.allocate(
                backend.activationType(), batch.tokens(), (long) given.shape.heads() * given.shape.headDim());
        Tensor weight = given.norms ? Floats.tensor(backend, norm, norm.length) : null;
        RopeTable rope = given.rotaryDim == 0
                ? null
                : new RopeTable(
                        Floats.tensor(backend, angles, longest + OFFSET, given.rotaryDim),
                        given.rotaryDim,
                        given.interleaved,
                        given.seed % 3 == 0);
        backend.kernels().ropeAndCache(x, weight, weight, 1e-5f, rope, given.shape, cache, LAYERS - 1, batch);
        backend.kernels().attention(out, x, given.shape, cache, LAYERS - 1, batch);
        float[] result = Floats.values(backend, out);
        int row = 0;
        int outWidth = given.shape.heads() * given.shape.headDim();
        for (int s = 0; s < step.length; s++) {
            System.arraycopy(result, row * outWidth, outputs[s], done[s] * outWidth, step[s] * outWidth);
            row += step[s];
        }
    }
}
