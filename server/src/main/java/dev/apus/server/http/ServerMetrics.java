package dev.apus.server.http;

import dev.apus.scheduler.Distribution;
import dev.apus.scheduler.EngineEvent.Finished;
import dev.apus.scheduler.EngineEvent.Timing;
import dev.apus.scheduler.EngineStats;
import dev.apus.scheduler.KvBlockAges;
import dev.apus.scheduler.Request;
import dev.apus.scheduler.ServedModel;
import dev.apus.scheduler.pooling.Pooler;
import dev.apus.scheduler.pooling.PoolingStats;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;

/**
 * The server's metrics under vLLM's names, labels and buckets, so that its dashboards and the gateways that know it work here. Thread-safe.
 */
final class ServerMetrics implements AutoCloseable {
    private static final double[] TTFT = {
        .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560
    };
    private static final double[] TOKEN_TIME = {
        .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80
    };
    private static final double[] REQUEST_TIME = {
        .3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680
    };
    private static final double[] CHOICES = {1, 2, 5, 10, 20};
    private static final double NANOS = 1e-9;

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final ServedModel model;
    private final Tags tags;
    private final Timer firstToken;
    private final Timer interToken;
    private final Timer perToken;
    private final Timer endToEnd;
    private final Timer queue;
    private final Timer inference;
    private final Timer prefill;
    private final Timer decode;
    private final DistributionSummary promptTokens;
    private final DistributionSummary generationTokens;
    private final DistributionSummary maxTokens;
    private final DistributionSummary choices;
    private final DistributionSummary mostGenerated;
    private final DistributionSummary prefillComputed;
    private final TenantMetrics tenants;
    private final HttpMetrics http;
    private final GrpcMetrics grpc;
    private final ProcessMetrics process;

    ServerMetrics(ServedModel model) {
        this.model = model;
        tags = Tags.of("model_name", model.name(), "engine", "0");
        firstToken = timer("vllm:time_to_first_token_seconds", tags, TTFT);
        interToken = timer("vllm:inter_token_latency_seconds", tags, TOKEN_TIME);
        perToken = timer("vllm:request_time_per_output_token_seconds", tags, TOKEN_TIME);
        endToEnd = timer("vllm:e2e_request_latency_seconds", tags, REQUEST_TIME);
        queue = timer("vllm:request_queue_time_seconds", tags, REQUEST_TIME);
        inference = timer("vllm:request_inference_time_seconds", tags, REQUEST_TIME);
        prefill = timer("vllm:request_prefill_time_seconds", tags, REQUEST_TIME);
        decode = timer("vllm:request_decode_time_seconds", tags, REQUEST_TIME);
        double[] counts = oneTwoFive(model.maxModelLength());
        promptTokens = histogram("vllm:request_prompt_tokens", counts);
        generationTokens = histogram("vllm:request_generation_tokens", counts);
        maxTokens = histogram("vllm:request_params_max_tokens", counts);
        choices = histogram("vllm:request_params_n", CHOICES);
        mostGenerated = histogram("vllm:request_max_num_generation_tokens", counts);
        prefillComputed = histogram("vllm:request_prefill_kv_computed_tokens", counts);
        for (Refusal reason : Refusal.values()) {
            rejections(reason);
        }
        bindEngine();
        bindAbsent();
        bindPooler();
        tenants = new TenantMetrics(registry, tags);
        http = new HttpMetrics(registry);
        grpc = new GrpcMetrics(registry);
        process = new ProcessMetrics(registry);
    }

    private void bindPooler() {
        Pooler pooler = model.pooler();
        if (pooler == null) {
            return;
        }
        pooled("apus:pooling_sequences", pooler, PoolingStats::sequences);
        pooled("apus:pooling_tokens", pooler, PoolingStats::tokens);
        pooled("apus:pooling_batches", pooler, PoolingStats::batches);
        pooled("apus:pooling_failures", pooler, PoolingStats::failures);
        Gauge.builder("apus:pooling_waiting", pooler, p -> p.stats().waiting())
                .tags(tags)
                .register(registry);
    }

    private void pooled(String name, Pooler pooler, ToDoubleFunction<PoolingStats> value) {
        FunctionCounter.builder(name, pooler, p -> value.applyAsDouble(p.stats()))
                .tags(tags)
                .register(registry);
    }

    private void bindEngine() {
        gauge("vllm:num_requests_running", EngineStats::running);
        gauge("vllm:num_requests_waiting", EngineStats::waiting);
        gauge("vllm:num_requests_waiting_by_reason", EngineStats::waiting, "reason", "capacity");
        gauge("apus:engine_alive", stats -> stats.alive() ? 1 : 0);
        gauge("vllm:kv_cache_usage_perc", EngineStats::kvCacheUsage);
        counter("vllm:prefix_cache_queries", EngineStats::prefixCacheQueries);
        counter("vllm:prefix_cache_hits", EngineStats::prefixCacheHits);
        counter("vllm:num_preemptions", EngineStats::preemptions);
        counter("vllm:prompt_tokens", EngineStats::promptTokens);
        counter("vllm:prompt_tokens_cached", EngineStats::promptTokensCached);
        counter("vllm:prompt_tokens_by_source", EngineStats::promptTokensComputed, "source", "local_compute");
        counter("vllm:prompt_tokens_by_source", EngineStats::promptTokensCached, "source", "local_cache_hit");
        counter("vllm:generation_tokens", EngineStats::generationTokens);
        counter("vllm:corrupted_requests", EngineStats::corruptedRequests);
        for (String reason : List.of("stop", "length", "abort", "error")) {
            success(reason);
        }
    }

    /** What vLLM always shows and this engine does not have: dashboards find their series, at their true value. */
    private void bindAbsent() {
        gauge("vllm:num_requests_waiting_by_reason", stats -> 0, "reason", "deferred");
        gauge("vllm:engine_sleep_state", stats -> 1, "sleep_state", "awake");
        gauge("vllm:engine_sleep_state", stats -> 0, "sleep_state", "weights_offloaded");
        gauge("vllm:engine_sleep_state", stats -> 0, "sleep_state", "discard_all");
        counter("vllm:prompt_tokens_by_source", stats -> 0, "source", "external_kv_transfer");
        counter("vllm:external_prefix_cache_queries", stats -> 0);
        counter("vllm:external_prefix_cache_hits", stats -> 0);
        counter("vllm:mm_cache_queries", stats -> 0);
        counter("vllm:mm_cache_hits", stats -> 0);
    }

    /** A request was not let into the engine. */
    void rejected(Refusal reason) {
        rejections(reason).increment();
    }

    private Counter rejections(Refusal reason) {
        return registry.counter("vllm:admission_rejections", tags.and("reason", reason.word()));
    }

    /** All choices of a prompt have ended, the longest after so many tokens. */
    void promptDone(int mostGeneratedTokens) {
        mostGenerated.record(mostGeneratedTokens);
    }

    /** Tokens have come, {@code sinceLast} nanoseconds after those before; -1 says that they are the first. */
    void tokens(Request request, long sinceLast) {
        if (sinceLast < 0) {
            firstToken.record(System.nanoTime() - request.arrivalNanos(), TimeUnit.NANOSECONDS);
        } else {
            interToken.record(sinceLast, TimeUnit.NANOSECONDS);
        }
    }

    /**
     * A sequence has ended.
     *
     * @param reason as the client is told
     * @param n choices that its request asked for
     * @param submitted {@link System#nanoTime} of its handing over to the engine
     */
    void finished(Request request, Finished finished, String reason, int n, long submitted) {
        success(reason).increment();
        promptTokens.record(finished.promptTokens());
        generationTokens.record(finished.generatedTokens());
        prefillComputed.record(finished.promptTokens() - finished.cachedTokens());
        maxTokens.record(request.params().maxTokens());
        choices.record(n);
        Timing timing = finished.timing();
        endToEnd.record(System.nanoTime() - request.arrivalNanos(), TimeUnit.NANOSECONDS);
        if (timing.scheduled() == 0 || timing.firstToken() == 0) {
            return;
        }
        long waited = Math.max(0, timing.scheduled() - submitted);
        queue.record(waited, TimeUnit.NANOSECONDS);
        tenants.of(request.tenant().name()).queued(waited);
        inference.record(timing.finished() - timing.scheduled(), TimeUnit.NANOSECONDS);
        prefill.record(timing.firstToken() - timing.scheduled(), TimeUnit.NANOSECONDS);
        long decodeNanos = timing.finished() - timing.firstToken();
        decode.record(decodeNanos, TimeUnit.NANOSECONDS);
        if (finished.generatedTokens() > 1) {
            perToken.record(decodeNanos / (finished.generatedTokens() - 1), TimeUnit.NANOSECONDS);
        }
    }

    /** A sequence has failed. */
    void failed() {
        success("error").increment();
    }

    /** What each tenant has used. */
    TenantMetrics tenants() {
        return tenants;
    }

    HttpMetrics http() {
        return http;
    }

    GrpcMetrics grpc() {
        return grpc;
    }

    /** Counts under a name of its own. */
    Counter counter(String name) {
        return registry.counter(name, tags);
    }

    /** Shows what somebody else counts. */
    <T> void counter(String name, T source, ToDoubleFunction<T> value) {
        FunctionCounter.builder(name, source, value).tags(tags).register(registry);
    }

    /** All of it in Prometheus' text format; never waits for the engine. */
    String scrape() {
        EngineStats stats = model.engine().stats();
        StringBuilder all = new StringBuilder(registry.scrape("text/plain; version=0.0.4; charset=utf-8"));
        ScrapeText text = new ScrapeText(all, new TreeMap<>(Map.of("engine", "0", "model_name", model.name())));
        Map<String, String> cache = new TreeMap<>(model.engine().cacheConfig());
        cache.put("block_size", Integer.toString(stats.blockSize()));
        cache.put("num_gpu_blocks", Integer.toString(stats.totalBlocks()));
        text.info("vllm:cache_config_info", "The KV cache's settings", cache);
        text.histogram("vllm:iteration_tokens_total", "Tokens per engine step", stepTokens(stats));
        KvBlockAges ages = model.engine().kvBlockAges();
        if (ages != null) {
            text.histogram("vllm:kv_block_lifetime_seconds", "From a block's use to its eviction", ages.lifetime());
            text.histogram(
                    "vllm:kv_block_idle_before_evict_seconds",
                    "From a block's last hit to its eviction",
                    ages.idleBeforeEviction());
            text.histogram("vllm:kv_block_reuse_gap_seconds", "Between two hits of a block", ages.reuseGap());
        }
        return all.toString();
    }

    private static Distribution stepTokens(EngineStats stats) {
        List<Double> bounds =
                EngineStats.STEP_TOKEN_BOUNDS.stream().map(Integer::doubleValue).toList();
        return new Distribution(bounds, stats.stepTokens(), stats.stepTokensSum());
    }

    /** Of whole numbers: Micrometer rounds what a summary counts up to the next one, so times are timers. */
    private DistributionSummary histogram(String name, double[] bounds) {
        return DistributionSummary.builder(name)
                .tags(tags)
                .serviceLevelObjectives(bounds)
                .register(registry);
    }

    /** @param bounds in seconds */
    private Timer timer(String name, Tags labels, double[] bounds) {
        Duration[] durations = Arrays.stream(bounds)
                .mapToObj(seconds -> Duration.ofNanos(Math.round(seconds / NANOS)))
                .toArray(Duration[]::new);
        return Timer.builder(name)
                .tags(labels)
                .serviceLevelObjectives(durations)
                .register(registry);
    }

    private void gauge(String name, ToDoubleFunction<EngineStats> value, String... more) {
        Gauge.builder(name, model, served -> value.applyAsDouble(served.engine().stats()))
                .tags(tags.and(more))
                .register(registry);
    }

    private void counter(String name, ToDoubleFunction<EngineStats> value, String... more) {
        FunctionCounter.builder(
                        name,
                        model,
                        served -> value.applyAsDouble(served.engine().stats()))
                .tags(tags.and(more))
                .register(registry);
    }

    private Counter success(String reason) {
        return registry.counter("vllm:request_success", tags.and("finished_reason", reason));
    }

    private static double[] oneTwoFive(int most) {
        List<Double> bounds = new ArrayList<>();
        for (long decade = 1; decade <= most; decade *= 10) {
            for (int step : new int[] {1, 2, 5}) {
                if (decade * step <= most) {
                    bounds.add((double) decade * step);
                }
            }
        }
        return bounds.stream().mapToDouble(Double::doubleValue).toArray();
    }

    @Override
    public void close() {
        process.close();
        registry.close();
    }
}
