package dev.apus.server.http;

import java.util.Arrays;

/**
 * Finds that a text goes in circles, as vLLM's {@code repetition_detection}: its last tokens are some pattern over and over. Not
 * thread-safe: one per sequence.
 */
final class RepetitionDetector {
    private final Limits limits;
    private int[] ids = new int[64];
    private int count;

    /**
     * What counts as a circle.
     *
     * @param minPatternSize least tokens of a pattern, 1 or more
     * @param maxPatternSize most tokens of a pattern
     * @param minCount times that it must stand in a row, 2 or more
     */
    record Limits(int minPatternSize, int maxPatternSize, int minCount) {}

    RepetitionDetector(Limits limits) {
        this.limits = limits;
    }

    /** Adds a token; true if the text goes in circles now. */
    boolean add(int id) {
        if (count == ids.length) {
            ids = Arrays.copyOf(ids, count * 2);
        }
        ids[count++] = id;
        for (int size = limits.minPatternSize; size <= limits.maxPatternSize; size++) {
            if ((long) size * limits.minCount > count) {
                return false;
            }
            if (repeats(size)) {
                return true;
            }
        }
        return false;
    }

    private boolean repeats(int size) {
        int first = count - size * (limits.minCount - 1);
        for (int i = count - 1; i >= first; i--) {
            if (ids[i] != ids[i - size]) {
                return false;
            }
        }
        return true;
    }
}
