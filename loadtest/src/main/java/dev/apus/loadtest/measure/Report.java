package dev.apus.loadtest.measure;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a run showed.
 *
 * @param name of the scenario
 * @param series by name
 * @param checks what was asked of them, and what was found
 * @param findings what is wrong; empty if all is well
 * @param notes what else is to be told
 */
public record Report(
        String name,
        Map<String, Series.Snapshot> series,
        List<String> checks,
        List<String> findings,
        List<String> notes) {
    private static final double[] PERCENTILES = {50, 90, 95, 99, 99.9};
    private static final JsonMapper JSON = new JsonMapper();

    public Report {
        series = new LinkedHashMap<>(series);
        checks = List.copyOf(checks);
        findings = List.copyOf(findings);
        notes = List.copyOf(notes);
    }

    /**
     * Holds series against limits: each must have answers, no failures, no refusals unless they are allowed, and keep within its limits.
     *
     * @param guarded series that the scenario protects: limits without a series are theirs
     * @param mayRefuse series that the server may refuse requests of
     */
    public static Report judge(
            String name,
            Map<String, Series.Snapshot> series,
            List<Limit> limits,
            List<String> guarded,
            List<String> mayRefuse) {
        List<String> checks = new ArrayList<>();
        List<String> findings = new ArrayList<>();
        series.forEach((key, seen) -> {
            seen.failed().forEach((reason, count) -> findings.add(key + ": " + count + " failed: " + reason));
            if (!mayRefuse.contains(key)) {
                seen.refused().forEach((reason, count) -> findings.add(key + ": " + count + " refused: " + reason));
            }
        });
        for (String key : guarded) {
            Series.Snapshot seen = series.get(key);
            if (seen == null || seen.completed() == 0) {
                findings.add(key + ": no request was answered");
            }
        }
        for (Limit limit : limits) {
            for (String key : limit.series().isEmpty() ? guarded : List.of(limit.series())) {
                Series.Snapshot seen = series.get(key);
                double millis = seen == null ? Double.NaN : seen.millis(limit.latency(), limit.percentile());
                boolean kept = millis <= limit.millis();
                String text = key + ": " + limit.bound() + ": " + Numbers.brief(millis) + " ms";
                checks.add(text + (kept ? ", kept" : ", missed"));
                if (!kept) {
                    findings.add(text + (seen == null ? "; series are " + series.keySet() : ""));
                }
            }
        }
        return new Report(name, series, checks, findings, List.of());
    }

    /** The same with more to tell. */
    public Report with(List<String> moreFindings, List<String> moreNotes) {
        List<String> allFindings = new ArrayList<>(findings);
        allFindings.addAll(moreFindings);
        List<String> allNotes = new ArrayList<>(notes);
        allNotes.addAll(moreNotes);
        return new Report(name, series, checks, allFindings, allNotes);
    }

    public boolean passed() {
        return findings.isEmpty();
    }

    /** For people. */
    public String text() {
        StringBuilder text = new StringBuilder();
        int width = Math.max(
                6, series.keySet().stream().mapToInt(String::length).max().orElse(6));
        text.append(String.format(
                Locale.ROOT,
                "%-" + width + "s %8s %7s %6s %9s %9s | %-22s | %-22s | %s%n",
                "",
                "answers",
                "refused",
                "failed",
                "answers/s",
                "tokens/s",
                "TTFT ms p50, p95, p99",
                "gap ms p50, p95, p99",
                "answer ms p50, p95"));
        series.forEach((key, seen) -> text.append(String.format(
                Locale.ROOT,
                "%-" + width + "s %8d %7d %6d %9s %9s | %-22s | %-22s | %s%n",
                key,
                seen.completed(),
                seen.refusals(),
                seen.failures(),
                Numbers.brief(seen.seconds() > 0 ? seen.completed() / seen.seconds() : 0),
                Numbers.brief(seen.tokensPerSecond()),
                millis(seen, Limit.Latency.TTFT, 50, 95, 99),
                millis(seen, Limit.Latency.ITL, 50, 95, 99),
                millis(seen, Limit.Latency.E2E, 50, 95))));
        checks.forEach(check -> text.append(check).append('\n'));
        notes.forEach(note -> text.append(note).append('\n'));
        findings.forEach(finding -> text.append("WRONG: ").append(finding).append('\n'));
        return text.append(passed() ? "passed" : "failed: " + findings.size() + " findings")
                .toString();
    }

    private static String millis(Series.Snapshot seen, Limit.Latency latency, double... percentiles) {
        List<String> values = new ArrayList<>();
        for (double percentile : percentiles) {
            values.add(Numbers.brief(seen.millis(latency, percentile)));
        }
        return String.join(", ", values);
    }

    /** For programs: milliseconds where the name ends so. */
    public ObjectNode json() {
        ObjectNode root = JSON.createObjectNode().put("scenario", name).put("passed", passed());
        ObjectNode all = root.putObject("series");
        series.forEach((key, seen) -> {
            ObjectNode one = all.putObject(key);
            one.put("completed", seen.completed()).put("refused", seen.refusals());
            one.put("failed", seen.failures()).put("seconds", seen.seconds());
            one.put("prompt_tokens", seen.promptTokens()).put("output_tokens", seen.outputTokens());
            one.put("output_tokens_per_second", seen.tokensPerSecond());
            for (Limit.Latency latency : Limit.Latency.values()) {
                ObjectNode values = one.putObject(latency.label() + "_ms");
                values.put("count", seen.of(latency).getTotalCount());
                if (seen.of(latency).getTotalCount() > 0) {
                    values.put("mean", seen.of(latency).getMean() / 1000);
                    for (double percentile : PERCENTILES) {
                        values.put("p" + Numbers.plain(percentile), seen.millis(latency, percentile));
                    }
                    values.put("max", seen.of(latency).getMaxValue() / 1000.0);
                }
            }
        });
        checks.forEach(root.putArray("checks")::add);
        notes.forEach(root.putArray("notes")::add);
        findings.forEach(root.putArray("findings")::add);
        return root;
    }
}
