package dev.apus.server.cli;

import dev.apus.server.bench.BenchRequest;
import dev.apus.server.bench.ServeBench;
import dev.apus.server.bench.ServeReport;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.json.JsonMapper;

/** Clients of a running server. */
@Command(
        name = "serve",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "Latencies and throughput of a running OpenAI server, Apus or another, as its clients see them.")
final class BenchServeCommand implements Callable<Integer> {
    @Mixin
    private WorkloadArgs workload = new WorkloadArgs();

    @Option(
            names = "--base-url",
            paramLabel = "URL",
            defaultValue = "http://127.0.0.1:8000",
            description = "The server. Default: ${DEFAULT-VALUE}")
    private URI base = URI.create("http://127.0.0.1:8000");

    @Option(
            names = "--endpoint",
            paramLabel = "PATH",
            defaultValue = "/v1/completions",
            description = "/v1/completions, or /v1/chat/completions for text. Default: ${DEFAULT-VALUE}")
    private String endpoint = "/v1/completions";

    @Option(names = "--model", paramLabel = "NAME", description = "Model to ask for. Default: the server's first")
    private @Nullable String model;

    @Option(names = "--api-key", paramLabel = "KEY", description = "For the Authorization header.")
    private @Nullable String apiKey;

    @Option(
            names = "--request-rate",
            paramLabel = "R",
            defaultValue = "inf",
            description = "Requests per second; inf sends all at once. Default: ${DEFAULT-VALUE}")
    private String rate = "inf";

    @Option(
            names = "--burstiness",
            paramLabel = "B",
            defaultValue = "1",
            description = "1: Poisson arrivals; less: burstier; more: more even. Default: ${DEFAULT-VALUE}")
    private double burstiness;

    @Option(
            names = "--max-concurrency",
            paramLabel = "N",
            defaultValue = "0",
            description = "Most requests at a time. Default: no limit")
    private int concurrency;

    @Option(
            names = "--num-warmups",
            paramLabel = "N",
            defaultValue = "1",
            description = "Requests before the measured ones. Default: ${DEFAULT-VALUE}")
    private int warmUps;

    @Option(
            names = "--goodput",
            paramLabel = "NAME:MS",
            arity = "1..*",
            description = "Goals in milliseconds, as ttft:500 tpot:50 e2el:10000: requests that meet all are counted.")
    private List<String> goals = List.of();

    @Option(
            names = "--metric-percentiles",
            paramLabel = "P",
            split = ",",
            defaultValue = "90,99",
            description = "Percentiles to report. Default: ${DEFAULT-VALUE}")
    private double[] percentiles = {90, 99};

    @Option(
            names = "--vocab-size",
            paramLabel = "N",
            defaultValue = "32000",
            description = "Random ids are below it. Default: ${DEFAULT-VALUE}")
    private int vocabSize;

    @Option(names = "--output-json", paramLabel = "FILE", description = "Writes the figures there too.")
    private @Nullable Path json;

    @Override
    public Integer call() throws InterruptedException {
        double perSecond = rate.equals("inf") ? Double.POSITIVE_INFINITY : number(rate, "--request-rate");
        Map<String, Double> limits = limits();
        List<BenchRequest> requests = workload.requests(vocabSize);
        String name = model == null ? firstModel() : model;
        ServeReport report;
        try (ServeBench bench = new ServeBench(base.resolve(endpoint), name, apiKey)) {
            for (int i = 0; i < warmUps; i++) {
                ServeReport warm =
                        bench.run(List.of(requests.getFirst()), new ServeBench.Load(Double.POSITIVE_INFINITY, 1, 1, 0));
                if (!warm.errors().isEmpty()) {
                    throw new UserException(base + " does not answer: " + warm.errors());
                }
            }
            report = bench.run(requests, new ServeBench.Load(perSecond, burstiness, concurrency, workload.seed()));
        }
        Figures.print(report.figures(percentiles, limits), json);
        report.errors().stream().limit(5).forEach(error -> System.err.println("failed: " + error));
        return report.errors().isEmpty() ? 0 : 1;
    }

    private Map<String, Double> limits() {
        Map<String, Double> limits = new LinkedHashMap<>();
        for (String goal : goals) {
            String[] parts = goal.split(":", -1);
            if (parts.length != 2 || !List.of("ttft", "tpot", "e2el").contains(parts[0])) {
                throw new UserException("--goodput " + goal + ": must be ttft:MS, tpot:MS or e2el:MS");
            }
            limits.put(parts[0], number(parts[1], "--goodput " + parts[0]));
        }
        return limits;
    }

    private static double number(String text, String option) {
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException e) {
            throw new UserException(option + " is '" + text + "', must be a number", e);
        }
    }

    private String firstModel() throws InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(base.resolve("/v1/models"));
        if (apiKey != null) {
            request.header("Authorization", "Bearer " + apiKey);
        }
        try (HttpClient client = HttpClient.newHttpClient()) {
            String answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString())
                    .body();
            return JsonMapper.shared()
                    .readTree(answer)
                    .path("data")
                    .path(0)
                    .path("id")
                    .asString("");
        } catch (IOException e) {
            throw new UserException(
                    base + " cannot be reached (" + e + "); start one with: apus serve, or give --base-url", e);
        }
    }
}
