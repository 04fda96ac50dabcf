package dev.apus.server.http;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** HTTP's requests under the names of FastAPI's instrumentator, which vLLM's dashboards know. Thread-safe. */
final class HttpMetrics {
    private static final Duration[] COARSE = millis(100, 500, 1_000);
    private static final Duration[] FINE = millis(
            10, 25, 50, 75, 100, 250, 500, 750, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000, 4_500, 5_000, 7_500,
            10_000, 30_000, 60_000);
    private static final List<String> METHODS = List.of("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH");

    private final MeterRegistry registry;
    private final Timer all;

    HttpMetrics(MeterRegistry registry) {
        this.registry = registry;
        all = timer("http_request_duration_highr_seconds", Tags.empty(), FINE);
    }

    /** A request has been answered, or its client has gone. */
    void answered(Exchange exchange) {
        // The route's pattern and a known method: a client may invent paths and methods, but not labels.
        String method = exchange.method().name();
        Tags handler = Tags.of("handler", exchange.route());
        Tags both = handler.and("method", METHODS.contains(method) ? method : "other");
        registry.counter("http_requests", both.and("status", Statuses.family(exchange.status())))
                .increment();
        long nanos = exchange.tookNanos();
        all.record(nanos, TimeUnit.NANOSECONDS);
        timer("http_request_duration_seconds", both, COARSE).record(nanos, TimeUnit.NANOSECONDS);
        registry.summary("http_request_size_bytes", handler).record((double) exchange.receivedBytes());
        registry.summary("http_response_size_bytes", handler).record((double) exchange.sentBytes());
    }

    private Timer timer(String name, Tags tags, Duration[] bounds) {
        return Timer.builder(name).tags(tags).serviceLevelObjectives(bounds).register(registry);
    }

    private static Duration[] millis(long... millis) {
        return Arrays.stream(millis).mapToObj(Duration::ofMillis).toArray(Duration[]::new);
    }
}
