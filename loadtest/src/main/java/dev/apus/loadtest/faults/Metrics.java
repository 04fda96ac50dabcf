package dev.apus.loadtest.faults;

import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** One reading of a server's {@code /metrics}, in Prometheus' text format. */
record Metrics(Map<String, Double> samples) {
    private static final Pattern SAMPLE = Pattern.compile("([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{.*\\})? ([^ ]+)(?: [0-9]+)?");

    /** Keys are names with their labels, as they stand in the text. */
    static Metrics parse(String text) {
        Map<String, Double> samples = new HashMap<>();
        for (String line : text.lines().toList()) {
            Matcher sample = SAMPLE.matcher(line.strip());
            if (!line.startsWith("#") && sample.matches()) {
                String labels = sample.group(2) == null ? "" : sample.group(2);
                samples.put(sample.group(1) + labels, number(sample.group(3)));
            }
        }
        return new Metrics(samples);
    }

    private static double number(String text) {
        return switch (text) {
            case "+Inf" -> Double.POSITIVE_INFINITY;
            case "-Inf" -> Double.NEGATIVE_INFINITY;
            default -> Double.parseDouble(text);
        };
    }

    /**
     * The sum over all samples of a name.
     *
     * @param label {@code name="value"} that they must have, or empty
     * @return null if there is none
     */
    @Nullable
    Double sum(String name, String label) {
        Double sum = null;
        for (Map.Entry<String, Double> sample : samples.entrySet()) {
            String key = sample.getKey();
            boolean named = key.equals(name) || key.startsWith(name + "{");
            if (named && key.contains(label)) {
                sum = (sum == null ? 0 : sum) + sample.getValue();
            }
        }
        return sum;
    }

    /** The same, 0 if there is none: a counter that has not counted may be missing. */
    double count(String name, String label) {
        Double sum = sum(name, label);
        return sum == null ? 0 : sum;
    }
}
