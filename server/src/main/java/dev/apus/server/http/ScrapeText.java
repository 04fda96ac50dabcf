package dev.apus.server.http;

import dev.apus.scheduler.Distribution;
import java.util.Map;

/** Series in Prometheus' text format whose names Micrometer's registry reserves for kinds of its own, or that are counted elsewhere. */
final class ScrapeText {
    private final StringBuilder text;
    private final Map<String, String> labels;

    /** @param labels of every series */
    ScrapeText(StringBuilder text, Map<String, String> labels) {
        this.text = text;
        this.labels = labels;
    }

    /** A gauge that is always 1 and tells by its labels. */
    void info(String name, String help, Map<String, String> more) {
        head(name, help, "gauge");
        text.append(name).append('{');
        labels(labels);
        labels(more);
        text.setLength(text.length() - 1);
        text.append("} 1.0\n");
    }

    void histogram(String name, String help, Distribution values) {
        head(name, help, "histogram");
        long below = 0;
        for (int i = 0; i < values.counts().size(); i++) {
            below += values.counts().get(i);
            String bound = i < values.bounds().size() ? values.bounds().get(i).toString() : "+Inf";
            text.append(name).append("_bucket{");
            labels(labels);
            text.append("le=\"").append(bound).append("\"} ").append(below).append('\n');
        }
        total(name + "_sum", Double.toString(values.sum()));
        total(name + "_count", Long.toString(below));
    }

    private void total(String name, String value) {
        text.append(name).append('{');
        labels(labels);
        text.setLength(text.length() - 1);
        text.append("} ").append(value).append('\n');
    }

    private void head(String name, String help, String type) {
        text.append("# HELP ").append(name).append(' ').append(help);
        text.append("\n# TYPE ").append(name).append(' ').append(type).append('\n');
    }

    private void labels(Map<String, String> pairs) {
        pairs.forEach((key, value) ->
                text.append(key).append("=\"").append(escape(value)).append("\","));
    }

    private static String escape(String label) {
        return label.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
    }
}
