package dev.apus.kernels.cpu;

import dev.apus.kernels.MoeShape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Picks the experts of a token from its router logits. Among equal logits the lower expert wins. */
final class MoeRouter {
    private MoeRouter() {}

    /**
     * Routes one row.
     *
     * @param logits router logits of the row from byte {@code offset} on
     * @param experts receives the chosen experts in ascending order, from index {@code at} on
     * @param weights receives their weights
     */
    static void route(MemorySegment logits, long offset, MoeShape shape, int[] experts, float[] weights, int at) {
        int k = shape.topK();
        chooseTop(logits, offset, shape.experts(), experts, at, k);
        double max = Double.NEGATIVE_INFINITY;
        for (int e = 0; e < shape.experts(); e++) {
            max = Math.max(max, logit(logits, offset, e));
        }
        double all = 0;
        for (int e = 0; e < shape.experts(); e++) {
            all += Math.exp(logit(logits, offset, e) - max);
        }
        double chosen = 0;
        for (int i = 0; i < k; i++) {
            chosen += Math.exp(logit(logits, offset, experts[at + i]) - max);
        }
        // A softmax over the chosen logits is the softmax over all of them, renormalised.
        double sum = shape.softmaxFirst() && !shape.renormalize() ? all : chosen;
        for (int i = 0; i < k; i++) {
            weights[at + i] = (float) (Math.exp(logit(logits, offset, experts[at + i]) - max) / sum);
        }
    }

    private static float logit(MemorySegment logits, long offset, int expert) {
        return logits.get(ValueLayout.JAVA_FLOAT, offset + 4L * expert);
    }

    /** Keeps the k largest sorted by expert: a candidate replaces the smallest kept one, the last among equals. */
    private static void chooseTop(MemorySegment logits, long offset, int count, int[] experts, int at, int k) {
        for (int i = 0; i < k; i++) {
            experts[at + i] = i;
        }
        for (int e = k; e < count; e++) {
            int weakest = 0;
            for (int i = 1; i < k; i++) {
                if (logit(logits, offset, experts[at + i]) <= logit(logits, offset, experts[at + weakest])) {
                    weakest = i;
                }
            }
            if (logit(logits, offset, e) > logit(logits, offset, experts[at + weakest])) {
                System.arraycopy(experts, at + weakest + 1, experts, at + weakest, k - weakest - 1);
                experts[at + k - 1] = e;
            }
        }
    }
}
