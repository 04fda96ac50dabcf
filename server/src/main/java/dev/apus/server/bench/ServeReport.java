package dev.apus.server.bench;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * What the clients of a {@link ServeBench} saw.
 *
 * @param answers of all requests, failed ones too
 * @param seconds from the first request to the last answer
 */
public record ServeReport(List<ServeBench.Answer> answers, double seconds) {
    public ServeReport {
        answers = List.copyOf(answers);
    }

    /** Requests that got their answer. */
    public List<ServeBench.Answer> good() {
        return answers.stream().filter(answer -> answer.error() == null).toList();
    }

    /** Different errors of the failed ones. */
    public List<String> errors() {
        return answers.stream()
                .map(ServeBench.Answer::error)
                .filter(error -> error != null)
                .distinct()
                .toList();
    }

    /**
     * All figures, named as {@code vllm bench serve} names them in its JSON; milliseconds where the name ends so.
     *
     * @param percentiles of every latency
     * @param goals milliseconds by {@code ttft}, {@code tpot}, {@code e2el}: a request that meets all counts for the goodput; may be empty
     */
    public Map<String, Double> figures(double[] percentiles, Map<String, Double> goals) {
        List<ServeBench.Answer> good = good();
        Map<String, Double> all = new LinkedHashMap<>();
        long input = good.stream().mapToLong(ServeBench.Answer::promptTokens).sum();
        long output = good.stream().mapToLong(ServeBench.Answer::outputTokens).sum();
        all.put("completed", (double) good.size());
        all.put("failed", (double) (answers.size() - good.size()));
        all.put("duration", seconds);
        all.put("total_input_tokens", (double) input);
        all.put("total_output_tokens", (double) output);
        all.put("request_throughput", good.size() / seconds);
        if (!goals.isEmpty()) {
            all.put(
                    "request_goodput",
                    good.stream().filter(a -> meets(a, goals)).count() / seconds);
        }
        all.put("output_throughput", output / seconds);
        all.put("total_token_throughput", (input + output) / seconds);
        all.putAll(samples(good, ServeBench.Answer::firstToken).summary("ttft_ms", percentiles));
        List<ServeBench.Answer> several =
                good.stream().filter(a -> a.outputTokens() > 1).toList();
        all.putAll(samples(several, ServeBench.Answer::perToken).summary("tpot_ms", percentiles));
        double[] gaps = good.stream()
                .flatMapToDouble(a -> java.util.Arrays.stream(a.gaps()))
                .map(gap -> gap * 1000)
                .toArray();
        all.putAll(new Samples(gaps).summary("itl_ms", percentiles));
        all.putAll(samples(good, ServeBench.Answer::total).summary("e2el_ms", percentiles));
        return all;
    }

    private static Samples samples(List<ServeBench.Answer> answers, ToDoubleFunction<ServeBench.Answer> seconds) {
        return new Samples(
                answers.stream().mapToDouble(seconds).map(value -> value * 1000).toArray());
    }

    private static boolean meets(ServeBench.Answer answer, Map<String, Double> goals) {
        return goals.entrySet().stream().allMatch(goal -> 1000 * value(answer, goal.getKey()) <= goal.getValue());
    }

    private static double value(ServeBench.Answer answer, String name) {
        return switch (name) {
            case "ttft" -> answer.firstToken();
            case "tpot" -> answer.perToken();
            case "e2el" -> answer.total();
            default ->
                throw new IllegalArgumentException(
                        String.format(Locale.ROOT, "goodput goal '%s'; known are ttft, tpot and e2el", name));
        };
    }
}
