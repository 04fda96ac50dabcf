package dev.apus.server.bench;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** A set of measured values and what is said of it: mean, median, percentiles by linear interpolation, as numpy has them. */
public final class Samples {
    private final double[] sorted;

    public Samples(double[] values) {
        sorted = values.clone();
        Arrays.sort(sorted);
    }

    public int count() {
        return sorted.length;
    }

    /** 0 of none. */
    public double mean() {
        return Arrays.stream(sorted).average().orElse(0);
    }

    /** @param percent 0 to 100; 0 of no values */
    public double percentile(double percent) {
        if (sorted.length == 0) {
            return 0;
        }
        double at = percent / 100 * (sorted.length - 1);
        int low = (int) Math.floor(at);
        int high = Math.min(low + 1, sorted.length - 1);
        return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
    }

    public double median() {
        return percentile(50);
    }

    /** {@code mean_NAME}, {@code median_NAME} and {@code pP_NAME} of each percentile. */
    Map<String, Double> summary(String name, double[] percentiles) {
        Map<String, Double> all = new LinkedHashMap<>();
        all.put("mean_" + name, mean());
        all.put("median_" + name, median());
        for (double percent : percentiles) {
            String number = percent == Math.rint(percent)
                    ? Long.toString((long) percent)
                    : String.format(Locale.ROOT, "%s", percent);
            all.put("p" + number + "_" + name, percentile(percent));
        }
        return all;
    }
}
