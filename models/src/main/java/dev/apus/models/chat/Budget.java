package dev.apus.models.chat;

/** Counts what one rendering uses and stops it at the limits. Bulk operations ask before they allocate. */
final class Budget {
    /** Characters moved per step: copying 64 characters costs about as much as evaluating a node. */
    private static final int CHARACTERS_PER_STEP = 64;
    /** Characters looked at one by one per step: dearer than copying, and an index into a string takes up to three passes. */
    private static final int SCANNED_PER_STEP = 16;
    /** Single comparisons of a search per step: at 1024, the limit of steps let a template search for ten seconds. */
    private static final int COMPARISONS_PER_STEP = 128;

    private final TemplateLimits limits;
    private long steps;
    private long produced;
    private int depth;

    Budget(TemplateLimits limits) {
        this.limits = limits;
    }

    void step() {
        if (++steps > limits.steps()) {
            throw new JinjaError("the template takes more than " + limits.steps() + " steps; it loops too long");
        }
    }

    /** Charges a bulk operation of {@code units} elementary operations before it runs. */
    void work(long units) {
        steps += units;
        if (units < 0 || steps > limits.steps()) {
            throw new JinjaError(
                    "the template takes more than " + limits.steps() + " steps; it works on too much data");
        }
    }

    void enter() {
        if (++depth > limits.depth()) {
            throw new JinjaError("the template nests deeper than " + limits.depth() + " levels");
        }
    }

    void leave() {
        depth--;
    }

    /** Charges a string of {@code length} UTF-16 units before it is made. */
    void text(long length) {
        produced += length;
        work(length / CHARACTERS_PER_STEP);
        if (length > limits.characters() || produced > (long) limits.characters() * TemplateLimits.TOTAL_FACTOR) {
            throw new JinjaError("the template makes a text longer than " + limits.characters()
                    + " characters, or more than " + TemplateLimits.TOTAL_FACTOR + " times that in all");
        }
    }

    /** Charges a list of {@code size} elements before it is made. */
    void elements(long size) {
        work(size / 4);
        text(size * 4);
    }

    /** Checks a text that is being built piece by piece. */
    void room(StringBuilder text) {
        if (text.length() > limits.characters()) {
            throw new JinjaError("the template makes a text longer than " + limits.characters() + " characters");
        }
    }

    /** Charges going over a string once: counting its code points, comparing it. */
    void scan(int length) {
        work(length / SCANNED_PER_STEP);
    }

    /** Charges looking for {@code needle} characters in {@code hay} characters, at the naive search's worst case. */
    void search(int hay, int needle) {
        work(hay / CHARACTERS_PER_STEP + (long) hay * needle / COMPARISONS_PER_STEP);
    }
}
