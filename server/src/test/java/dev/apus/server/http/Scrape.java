package dev.apus.server.http;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What Prometheus makes of the text of a scrape. */
final class Scrape {
    private static final Pattern SAMPLE =
            Pattern.compile("([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\\{(.*)})? (NaN|[+-]Inf|[-+0-9.eE]+)");
    private static final Pattern LABEL = Pattern.compile("([a-zA-Z_]\\w*)=\"((?:[^\"\\\\]|\\\\.)*)\",?");

    /** One line. */
    record Sample(String name, Map<String, String> labels, double value) {
        boolean has(String label, String labelValue) {
            return labelValue.equals(labels.get(label));
        }
    }

    final Map<String, String> types = new LinkedHashMap<>();
    final List<Sample> samples = new ArrayList<>();

    /** @throws AssertionError if a line is none of the format, or a type is told twice */
    Scrape(String text) {
        for (String line : text.lines().toList()) {
            if (line.startsWith("# TYPE ")) {
                String[] words = line.split(" ", -1);
                if (types.put(words[2], words[3]) != null) {
                    throw new AssertionError("two types of " + words[2]);
                }
            } else if (!line.startsWith("#")) {
                samples.add(sample(line));
            }
        }
    }

    /** What the server's {@code /metrics} answers. */
    static Scrape of(ServerFixture fixture) {
        String answer = fixture.connectAndAnswer(RawClient.get("/metrics"));
        return new Scrape(answer.substring(answer.indexOf("\r\n\r\n") + 4));
    }

    private static Sample sample(String line) {
        Matcher sample = SAMPLE.matcher(line);
        if (!sample.matches()) {
            throw new AssertionError("no sample: " + line);
        }
        Map<String, String> labels = new LinkedHashMap<>();
        Matcher label = LABEL.matcher(sample.group(2) == null ? "" : sample.group(2));
        while (label.find()) {
            labels.put(label.group(1), label.group(2));
        }
        String value = sample.group(3).replace("Inf", "Infinity");
        return new Sample(sample.group(1), labels, Double.parseDouble(value));
    }

    /** The series of a name that have these labels: pairs of a label and its value. */
    List<Sample> all(String name, String... labels) {
        List<Sample> found = new ArrayList<>();
        for (Sample sample : samples) {
            boolean fits = sample.name.equals(name);
            for (int i = 0; i < labels.length; i += 2) {
                fits &= sample.has(labels[i], labels[i + 1]);
            }
            if (fits) {
                found.add(sample);
            }
        }
        return found;
    }

    /** The value of the only such series. */
    double value(String name, String... labels) {
        List<Sample> found = all(name, labels);
        if (found.size() != 1) {
            throw new AssertionError(found.size() + " series of " + name + " with " + List.of(labels));
        }
        return found.getFirst().value;
    }

    /** The name under which a series' type is told, or null if it is not. */
    @Nullable
    String family(String name) {
        for (String suffix : List.of("", "_bucket", "_sum", "_count")) {
            if (name.endsWith(suffix)) {
                String family = name.substring(0, name.length() - suffix.length());
                if (types.containsKey(family)) {
                    return family;
                }
            }
        }
        return null;
    }
}
