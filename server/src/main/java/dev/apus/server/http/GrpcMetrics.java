package dev.apus.server.http;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/** gRPC's calls under the names of go-grpc-prometheus, which dashboards know. Thread-safe. */
final class GrpcMetrics {
    private static final Duration[] BOUNDS = Arrays.stream(
                    new long[] {5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000})
            .mapToObj(Duration::ofMillis)
            .toArray(Duration[]::new);

    private final MeterRegistry registry;

    GrpcMetrics(MeterRegistry registry) {
        this.registry = registry;
    }

    /** A call has begun; its method is one of the server's, or unknown. */
    void began(GrpcMethod method) {
        registry.counter("grpc_server_started", tags(method)).increment();
    }

    void ended(CallEnd call) {
        Tags tags = tags(call.method());
        registry.counter("grpc_server_handled", tags.and("grpc_code", call.code()))
                .increment();
        registry.counter("grpc_server_msg_received", tags).increment((double) call.messagesReceived());
        registry.counter("grpc_server_msg_sent", tags).increment((double) call.messagesSent());
        Timer.builder("grpc_server_handling_seconds")
                .tags(tags)
                .serviceLevelObjectives(BOUNDS)
                .register(registry)
                .record(call.nanos(), TimeUnit.NANOSECONDS);
    }

    private static Tags tags(GrpcMethod method) {
        return Tags.of("grpc_service", method.service(), "grpc_method", method.name(), "grpc_type", method.type());
    }
}
