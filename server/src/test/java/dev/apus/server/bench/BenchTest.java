package dev.apus.server.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.LanguageModel;
import dev.apus.server.http.HttpOptions;
import dev.apus.server.http.HttpServer;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Benchmarks on a model of a few thousand weights: every request is answered and every token counted. */
@Timeout(60)
class BenchTest {
    private static final Path TINY = Path.of("../models/src/test/resources/golden/gguf-llama/llama-Q4_1.gguf");

    @Test
    void countsWhatAServerStreams() throws InterruptedException {
        try (LanguageModel model = LanguageModel.open(TINY, EngineOptions.defaults());
                HttpServer server = HttpServer.start(
                        model.served(), HttpOptions.builder().port(0).build());
                ServeBench bench = new ServeBench(
                        URI.create("http://127.0.0.1:" + server.port() + "/v1/completions"),
                        model.served().name(),
                        null)) {
            List<BenchRequest> requests =
                    Workload.random(20, 12, 6, 0.4, 0, model.served().vocabSize(), 1);
            ServeReport report = bench.run(requests, new ServeBench.Load(200, 1, 4, 2));
            assertThat(report.errors()).isEmpty();
            Map<String, Double> figures =
                    report.figures(new double[] {99}, Map.of("ttft", 60_000.0, "tpot", 60_000.0, "e2el", 60_000.0));
            assertThat(figures.get("completed")).isEqualTo(20);
            assertThat(figures.get("total_input_tokens"))
                    .isEqualTo(
                            requests.stream().mapToInt(r -> r.prompt().length).sum());
            assertThat(figures.get("total_output_tokens"))
                    .isEqualTo(requests.stream()
                            .mapToInt(BenchRequest::outputTokens)
                            .sum());
            assertThat(figures.get("request_goodput")).isEqualTo(figures.get("request_throughput"));
            assertThat(figures.get("mean_ttft_ms")).isPositive();
            assertThat(figures.get("p99_e2el_ms")).isGreaterThanOrEqualTo(figures.get("median_e2el_ms"));
            assertThat(report.figures(new double[0], Map.of("ttft", 1e-6)).get("request_goodput"))
                    .isZero();
        }
    }

    @Test
    void aRefusedRequestIsAnErrorNotAFigure() throws InterruptedException {
        try (LanguageModel model = LanguageModel.open(TINY, EngineOptions.defaults());
                HttpServer server = HttpServer.start(
                        model.served(), HttpOptions.builder().port(0).build());
                ServeBench bench = new ServeBench(
                        URI.create("http://127.0.0.1:" + server.port() + "/v1/completions"), "nothing-like-it", null)) {
            ServeReport report = bench.run(
                    List.of(new BenchRequest(new int[] {3, 4}, null, 2)),
                    new ServeBench.Load(Double.POSITIVE_INFINITY, 1, 0, 0));
            assertThat(report.good()).isEmpty();
            assertThat(report.errors()).singleElement().asString().contains("404", "nothing-like-it");
        }
    }

    @Test
    void timesWhatAnEngineDoes() throws InterruptedException {
        try (LanguageModel model = LanguageModel.open(TINY, EngineOptions.defaults())) {
            OfflineBench bench = new OfflineBench(model.served().engine());
            OfflineBench.Run run =
                    bench.run(Workload.random(3, 20, 30, 0, 0, model.served().vocabSize(), 5));
            assertThat(run.total()).isGreaterThan(run.firstTokens());
            assertThat(run.firstTokens()).isPositive();
            // All three decode together, for 30 tokens less those drawn before the last had its first.
            assertThat(run.decodeTokens()).isBetween(60, 88);
            assertThat(run.decodeRate()).isPositive();
        }
    }
}
