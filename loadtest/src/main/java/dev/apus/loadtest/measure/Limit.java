package dev.apus.loadtest.measure;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a latency may be at most, {@code [SERIES:]ttft-p95=500}.
 *
 * @param series whose latency, or empty for those that the scenario protects
 * @param percentile 0 to 100
 * @param millis most milliseconds
 */
public record Limit(String series, Latency latency, double percentile, double millis) {
    private static final Pattern FORM = Pattern.compile(
            "(?:([^:=]+):)?(ttft|itl|e2e)-p([0-9]{1,2}(?:\\.[0-9]+)?|100)=([0-9]+(?:\\.[0-9]+)?)(?:ms)?");

    /** The latencies of a stream. */
    public enum Latency {
        /** From the request to the first token. */
        TTFT,
        /** Between two tokens, or pieces of text if several come at once. */
        ITL,
        /** From the request to the end of the answer. */
        E2E;

        /** As in reports. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** @throws IllegalArgumentException if it is no limit */
    public static Limit parse(String text) {
        Matcher form = FORM.matcher(text);
        if (!form.matches()) {
            throw new IllegalArgumentException(
                    "--limit is '" + text
                            + "', must be like ttft-p95=500, itl-p99=50 or e2e-p50=2000 (milliseconds), after SERIES: if need be");
        }
        return new Limit(
                form.group(1) == null ? "" : form.group(1),
                Latency.valueOf(form.group(2).toUpperCase(Locale.ROOT)),
                Double.parseDouble(form.group(3)),
                Double.parseDouble(form.group(4)));
    }

    /** As it is written. */
    public String text() {
        return (series.isEmpty() ? "" : series + ":") + bound();
    }

    /** The same without the series. */
    String bound() {
        return latency.label() + "-p" + Numbers.plain(percentile) + "=" + Numbers.plain(millis);
    }
}
