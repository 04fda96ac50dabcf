package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.LanguageModel;
import dev.apus.server.grpc.GrpcServices;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * {@code /metrics} as the Gateway API inference extension's endpoint picker reads it: the model-server protocol's gauges under vLLM's names,
 * which it asks for by default, of a real engine under load.
 */
@Timeout(120)
class GatewayMetricsTest {
    private static final Path MODEL = Path.of("../models/src/test/resources/golden/gguf-llama/llama-Q4_1.gguf");
    private static final int SEQUENCES = 2;
    private static final int BLOCKS = 40;
    private static final int CLIENTS = 8;

    private static LanguageModel model;
    private static HttpServer server;
    private static HttpClient client;

    @BeforeAll
    static void start() throws IOException {
        model = LanguageModel.open(
                MODEL,
                CpuBackend.create(new CpuOptions(CpuOptions.Provider.AUTO, 1)),
                EngineOptions.builder()
                        .maxNumSeqs(SEQUENCES)
                        .maxNumBatchedTokens(32)
                        .numKvBlocks(BLOCKS)
                        .kvCacheMetricsSample(1)
                        .build(),
                "m");
        server = HttpServer.start(model.served(), HttpOptions.builder().port(0).build(), GrpcServices::streams);
        client = HttpClient.newHttpClient();
    }

    @AfterAll
    static void stop() {
        client.close();
        server.close();
        model.close();
    }

    private static URI uri(String path) {
        return URI.create("http://127.0.0.1:" + server.port() + path);
    }

    /** What the picker asks for, each the only series of its name: it takes the first. */
    private record Endpoint(double waiting, double running, double kvUsage, int blockSize, int blocks) {
        static Endpoint of(Scrape scrape) {
            for (String gauge :
                    List.of("vllm:num_requests_waiting", "vllm:num_requests_running", "vllm:kv_cache_usage_perc")) {
                assertThat(scrape.types).containsEntry(gauge, "gauge");
            }
            Scrape.Sample cache = scrape.all("vllm:cache_config_info").getFirst();
            return new Endpoint(
                    scrape.value("vllm:num_requests_waiting"),
                    scrape.value("vllm:num_requests_running"),
                    scrape.value("vllm:kv_cache_usage_perc"),
                    Integer.parseInt(cache.labels().getOrDefault("block_size", "")),
                    Integer.parseInt(cache.labels().getOrDefault("num_gpu_blocks", "")));
        }
    }

    private static Scrape scrape() throws IOException, InterruptedException {
        HttpResponse<String> answer =
                client.send(HttpRequest.newBuilder(uri("/metrics")).build(), BodyHandlers.ofString());
        assertThat(answer.headers().firstValue("content-type"))
                .hasValueSatisfying(type -> assertThat(type).startsWith("text/plain; version=0.0.4"));
        return new Scrape(answer.body());
    }

    private static CompletableFuture<HttpResponse<String>> ask(int i) {
        HttpRequest request = HttpRequest.newBuilder(uri("/v1/completions"))
                .header("content-type", "application/json")
                .header("x-request-id", "picked-" + i)
                .header("x-gateway-inference-fairness-id", "tenant-" + i % 2)
                .header("x-gateway-inference-objective", "chat")
                .header("x-slo-ttft-ms", "60000")
                .header("x-slo-tpot-ms", "1000")
                .header("x-session-token", "c2Vzc2lvbg==")
                .header("x-data-parallel-host-port", "127.0.0.1:1")
                .header("x-prefiller-host-port", "127.0.0.1:2")
                .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\":\"the same long beginning, number " + i
                        + "\",\"max_tokens\":200,\"ignore_eos\":true,\"stream\":true}"))
                .build();
        return client.sendAsync(request, BodyHandlers.ofString());
    }

    @Test
    void thePickerSeesTheLoad() throws Exception {
        Endpoint idle = Endpoint.of(scrape());
        assertThat(idle).isEqualTo(new Endpoint(0, 0, 0, 16, BLOCKS));

        List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
        for (int i = 0; i < CLIENTS; i++) {
            answers.add(ask(i));
        }
        List<Endpoint> seen = new ArrayList<>();
        while (!answers.stream().allMatch(CompletableFuture::isDone)) {
            seen.add(Endpoint.of(scrape()));
        }
        for (int i = 0; i < CLIENTS; i++) {
            HttpResponse<String> answer = answers.get(i).join();
            assertThat(answer.statusCode()).isEqualTo(200);
            assertThat(answer.headers().firstValue("x-request-id")).hasValue("picked-" + i);
        }

        assertThat(seen).allSatisfy(endpoint -> {
            assertThat(endpoint.running).isBetween(0.0, (double) SEQUENCES);
            assertThat(endpoint.waiting).isBetween(0.0, (double) CLIENTS);
            assertThat(endpoint.kvUsage).isBetween(0.0, 1.0);
            assertThat(endpoint.blocks).isEqualTo(BLOCKS);
        });
        assertThat(seen).anySatisfy(busy -> {
            assertThat(busy.running).isEqualTo(SEQUENCES);
            assertThat(busy.waiting).isPositive();
            assertThat(busy.kvUsage).isPositive();
        });
        ServerFixture.await("the end of all", () -> {
            try {
                return Endpoint.of(scrape()).equals(idle);
            } catch (IOException | InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        checkTheRest(scrape());
    }

    private static void checkTheRest(Scrape scrape) {
        // The picker takes the newest series of adapters; without adapters there is none, and it looks no further.
        assertThat(scrape.all("vllm:lora_requests_info")).isEmpty();
        assertThat(scrape.all("vllm:cache_config_info").getFirst().labels())
                .containsEntry("cache_dtype", "auto")
                .containsEntry("enable_prefix_caching", "True")
                .containsEntry("num_gpu_blocks_override", Integer.toString(BLOCKS));
        for (String tenant : List.of("tenant-0", "tenant-1")) {
            assertThat(scrape.value("apus:tenant_requests_total", "tenant", tenant, "status", "2xx"))
                    .isEqualTo(CLIENTS / 2.0);
            assertThat(scrape.value("apus:tenant_generation_tokens_total", "tenant", tenant))
                    .isEqualTo(200.0 * CLIENTS / 2);
        }
        assertThat(scrape.value("apus:tenant_prompt_tokens_total", "tenant", "tenant-0")
                        + scrape.value("apus:tenant_prompt_tokens_total", "tenant", "tenant-1"))
                .isEqualTo(scrape.value("vllm:prompt_tokens_total"))
                .isPositive();
        assertThat(scrape.value("vllm:generation_tokens_total")).isEqualTo(200.0 * CLIENTS);
        // A small cache: blocks of ended answers are evicted, those of the common beginning are hit again.
        for (String ages : List.of("lifetime", "idle_before_evict", "reuse_gap")) {
            assertThat(scrape.types).containsEntry("vllm:kv_block_" + ages + "_seconds", "histogram");
            assertThat(scrape.value("vllm:kv_block_" + ages + "_seconds_count")).isPositive();
            assertThat(scrape.all("vllm:kv_block_" + ages + "_seconds_bucket", "le", "1800.0"))
                    .hasSize(1);
        }
        assertThat(scrape.value("vllm:iteration_tokens_total_count")).isPositive();
    }
}
