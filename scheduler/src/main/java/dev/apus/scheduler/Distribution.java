package dev.apus.scheduler;

import java.util.List;

/**
 * How often something took which values, as a Prometheus histogram has it.
 *
 * @param bounds upper bounds of the buckets, inclusive, ascending
 * @param counts values in each bucket and not in the one before, then those above the last bound
 * @param sum of all values
 */
public record Distribution(List<Double> bounds, List<Long> counts, double sum) {
    public Distribution {
        bounds = List.copyOf(bounds);
        counts = List.copyOf(counts);
        if (counts.size() != bounds.size() + 1) {
            throw new IllegalArgumentException(
                    counts.size() + " counts for " + bounds.size() + " bounds, must be one more than these");
        }
    }

    /** Number of values. */
    public long count() {
        return counts.stream().mapToLong(Long::longValue).sum();
    }
}
