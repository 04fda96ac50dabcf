package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.server.http.Scrape.Sample;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The scrape as Prometheus reads it: names, types and labels are vLLM's, so that its dashboards and gateways work. */
@Timeout(30)
class MetricsTest {
    private static final String MODEL = "engine model_name";

    private final ServerFixture fixture = new ServerFixture();
    private Map<String, String> types = Map.of();
    private List<Sample> samples = List.of();

    @AfterEach
    void close() {
        fixture.close();
    }

    @BeforeEach
    void scrapeAfterSomeRequests() throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.post("/v1/completions", "{\"prompt\":\"abcd\",\"n\":2,\"max_tokens\":9}"));
            ManualEngine.Work first = fixture.engine.next();
            ManualEngine.Work second = fixture.engine.next();
            first.emit("x");
            first.emit("yz");
            second.emit("u");
            fixture.engine.finish(first);
            fixture.engine.finish(second);
            client.readAnswer();
        }
        fixture.engine.room.set(0);
        assertThat(fixture.connectAndAnswer(RawClient.post("/v1/completions", "{\"prompt\":\"a\"}")))
                .contains(" 429 ");
        Scrape scrape = Scrape.of(fixture);
        types = scrape.types;
        samples = scrape.samples;
    }

    @ParameterizedTest
    @CsvSource({
        "vllm:num_requests_running, gauge, 0",
        "vllm:num_requests_waiting, gauge, 3",
        "vllm:kv_cache_usage_perc, gauge, 0.25",
        "vllm:prefix_cache_queries_total, counter, 10",
        "vllm:prefix_cache_hits_total, counter, 5",
        "vllm:external_prefix_cache_queries_total, counter, 0",
        "vllm:external_prefix_cache_hits_total, counter, 0",
        "vllm:mm_cache_queries_total, counter, 0",
        "vllm:mm_cache_hits_total, counter, 0",
        "vllm:num_preemptions_total, counter, 2",
        "vllm:prompt_tokens_total, counter, 20",
        "vllm:prompt_tokens_cached_total, counter, 5",
        "vllm:generation_tokens_total, counter, 30",
        "vllm:corrupted_requests_total, counter, 0"
    })
    void hasTheEnginesGaugesAndCounters(String name, String type, double value) {
        assertThat(types).containsEntry(name, type);
        assertThat(labelNames(name)).containsExactly(MODEL);
        assertThat(only(name).value()).isEqualTo(value);
        assertThat(only(name).labels()).containsEntry("model_name", "stub").containsEntry("engine", "0");
    }

    @ParameterizedTest
    @CsvSource({
        "vllm:num_requests_waiting_by_reason, gauge, reason, capacity, 3",
        "vllm:num_requests_waiting_by_reason, gauge, reason, deferred, 0",
        "vllm:engine_sleep_state, gauge, sleep_state, awake, 1",
        "vllm:engine_sleep_state, gauge, sleep_state, weights_offloaded, 0",
        "vllm:engine_sleep_state, gauge, sleep_state, discard_all, 0",
        "vllm:prompt_tokens_by_source_total, counter, source, local_compute, 15",
        "vllm:prompt_tokens_by_source_total, counter, source, local_cache_hit, 5",
        "vllm:prompt_tokens_by_source_total, counter, source, external_kv_transfer, 0",
        "vllm:admission_rejections_total, counter, reason, queue_full, 1",
        "vllm:admission_rejections_total, counter, reason, queued_tokens, 0",
        "vllm:admission_rejections_total, counter, reason, deadline, 0",
        "vllm:admission_rejections_total, counter, reason, rate_limit, 0",
        "vllm:request_success_total, counter, finished_reason, length, 2",
        "vllm:request_success_total, counter, finished_reason, stop, 0",
        "vllm:request_success_total, counter, finished_reason, abort, 0",
        "vllm:request_success_total, counter, finished_reason, error, 0"
    })
    void hasTheLabelledOnes(String name, String type, String label, String labelValue, double value) {
        assertThat(types).containsEntry(name, type);
        assertThat(samples)
                .filteredOn(sample -> sample.name().equals(name)
                        && labelValue.equals(sample.labels().get(label)))
                .singleElement()
                .satisfies(sample -> {
                    assertThat(sample.value()).isEqualTo(value);
                    assertThat(sample.labels()).containsOnlyKeys("model_name", "engine", label);
                });
    }

    @ParameterizedTest
    @CsvSource({
        "vllm:request_prompt_tokens, 2, 8, 100.0",
        "vllm:request_generation_tokens, 2, 4, 100.0",
        "vllm:request_max_num_generation_tokens, 1, 3, 100.0",
        "vllm:request_params_n, 2, 4, 20.0",
        "vllm:request_params_max_tokens, 2, 18, 100.0",
        "vllm:request_prefill_kv_computed_tokens, 2, 8, 100.0",
        "vllm:time_to_first_token_seconds, 2, , 2560.0",
        "vllm:inter_token_latency_seconds, 1, , 80.0",
        "vllm:request_time_per_output_token_seconds, 1, , 80.0",
        "vllm:e2e_request_latency_seconds, 2, , 7680.0",
        "vllm:request_queue_time_seconds, 2, , 7680.0",
        "vllm:request_inference_time_seconds, 2, , 7680.0",
        "vllm:request_prefill_time_seconds, 2, , 7680.0",
        "vllm:request_decode_time_seconds, 2, , 7680.0",
        "vllm:iteration_tokens_total, 0, 0, 16384.0"
    })
    void hasTheHistograms(String name, double count, @Nullable Double sum, String aBound) {
        assertThat(types).containsEntry(name, "histogram");
        assertThat(labelNames(name + "_bucket")).containsExactly(MODEL.replace("engine", "engine le"));
        assertThat(only(name + "_count").value()).isEqualTo(count);
        if (sum != null) {
            assertThat(only(name + "_sum").value()).isEqualTo(sum);
        }
        assertThat(samples)
                .filteredOn(sample -> sample.name().equals(name + "_bucket"))
                .extracting(sample -> sample.labels().get("le"))
                .contains(aBound, "+Inf");
    }

    /** Each value is at most the sum of all: the first bucket that takes the sum must hold them all, far below a second. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "vllm:time_to_first_token_seconds",
                "vllm:inter_token_latency_seconds",
                "vllm:e2e_request_latency_seconds",
                "vllm:request_prefill_time_seconds",
                "http_request_duration_highr_seconds"
            })
    void countsWhatTakesLessThanASecond(String name) {
        double sum = only(name + "_sum").value();
        assertThat(samples)
                .filteredOn(sample -> sample.name().equals(name + "_bucket"))
                .filteredOn(sample -> !"+Inf".equals(sample.labels().get("le"))
                        && Double.parseDouble(sample.labels().getOrDefault("le", "0")) >= sum)
                .isNotEmpty()
                .allSatisfy(sample -> assertThat(sample.value())
                        .as("le " + sample.labels().get("le"))
                        .isEqualTo(only(name + "_count").value()));
    }

    @Test
    void tellsTheCachesShape() {
        assertThat(only("vllm:cache_config_info").labels())
                .containsEntry("block_size", "16")
                .containsEntry("num_gpu_blocks", "100")
                .containsKeys("model_name", "engine");
        assertThat(only("vllm:cache_config_info").value()).isEqualTo(1);
    }

    @Test
    void hasTheHttpOnes() {
        assertThat(types)
                .containsEntry("http_requests_total", "counter")
                .containsEntry("http_request_duration_seconds", "histogram")
                .containsEntry("http_request_duration_highr_seconds", "histogram")
                .containsEntry("http_request_size_bytes", "summary")
                .containsEntry("http_response_size_bytes", "summary");
        assertThat(labelNames("http_requests_total")).containsExactly("handler method status");
        assertThat(labelNames("http_request_duration_seconds_count")).containsExactly("handler method");
        assertThat(labelNames("http_request_size_bytes_sum")).containsExactly("handler");
        assertThat(samples)
                .filteredOn(sample -> sample.name().equals("http_requests_total"))
                .extracting(sample ->
                        sample.labels().get("handler") + " " + sample.labels().get("status"))
                .contains("/v1/completions 2xx", "/v1/completions 4xx");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "jvm_memory_used_bytes",
                "jvm_memory_max_bytes",
                "jvm_buffer_memory_used_bytes",
                "jvm_threads_live_threads",
                "jvm_gc_memory_allocated_bytes_total",
                "jvm_classes_loaded_classes",
                "process_cpu_usage",
                "process_uptime_seconds",
                "process_files_open_files",
                "system_cpu_count",
                "netty_allocator_memory_used",
            })
    void tellsOfTheProcess(String name) {
        assertThat(samples).extracting(Sample::name).contains(name);
    }

    @Test
    void tellsWhatATenantHasUsed() {
        assertThat(samples)
                .filteredOn(sample -> sample.name().startsWith("apus:tenant_") && sample.has("tenant", "default"))
                .filteredOn(sample -> !sample.name().contains("queue_time"))
                .extracting(sample -> sample.name() + sample.labels().getOrDefault("status", "") + " " + sample.value())
                .containsExactlyInAnyOrder(
                        "apus:tenant_prompt_tokens_total 4.0",
                        "apus:tenant_prompt_tokens_cached_total 0.0",
                        "apus:tenant_generation_tokens_total 4.0",
                        "apus:tenant_requests_total2xx 1.0",
                        "apus:tenant_requests_total4xx 1.0");
        assertThat(only("apus:tenant_queue_time_seconds_count").value()).isEqualTo(2);
    }

    @Test
    void everySeriesHasATypeAndIsThereOnce() {
        assertThat(samples)
                .isNotEmpty()
                .extracting(sample -> sample.name() + sample.labels())
                .doesNotHaveDuplicates();
        for (Sample sample : samples) {
            assertThat(types.keySet())
                    .as(sample.name())
                    .anyMatch(name -> sample.name().equals(name)
                            || sample.name().matches(Pattern.quote(name) + "_(bucket|sum|count)"));
        }
    }

    private Sample only(String name) {
        List<Sample> found =
                samples.stream().filter(sample -> sample.name().equals(name)).toList();
        assertThat(found).as(name).hasSize(1);
        return found.getFirst();
    }

    /** The label sets that a name's series have, each sorted. */
    private Set<String> labelNames(String name) {
        Set<String> sets = new TreeSet<>();
        for (Sample sample : samples) {
            if (sample.name().equals(name)) {
                sets.add(String.join(" ", new TreeSet<>(sample.labels().keySet())));
            }
        }
        return sets;
    }
}
