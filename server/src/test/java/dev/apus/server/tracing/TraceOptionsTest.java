package dev.apus.server.tracing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TraceOptionsTest {
    private static final String URL = "http://127.0.0.1:4318";
    private static final String ID = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

    private static TraceOptions read(Map<String, String> environment) {
        return Objects.requireNonNull(TraceOptions.read(null, environment));
    }

    @Test
    void traceNothingUnlessAsked() {
        assertThat(TraceOptions.read(null, Map.of())).isNull();
        assertThat(TraceOptions.read(null, Map.of("OTEL_EXPORTER_OTLP_ENDPOINT", " ")))
                .isNull();
        assertThat(TraceOptions.read(URL, Map.of("OTEL_SDK_DISABLED", "true"))).isNull();
        assertThat(TraceOptions.read(URL, Map.of("OTEL_TRACES_EXPORTER", "none")))
                .isNull();
    }

    @Test
    void theEndpointIsOpenTelemetrys() {
        assertThat(Objects.requireNonNull(TraceOptions.read(URL, Map.of())).endpoint())
                .hasToString(URL + "/v1/traces");
        assertThat(Objects.requireNonNull(TraceOptions.read(URL + "/else", Map.of("OTEL_EXPORTER_OTLP_ENDPOINT", "x")))
                        .endpoint())
                .hasToString(URL + "/else");
        assertThat(read(Map.of("OTEL_EXPORTER_OTLP_ENDPOINT", URL + "/base/")).endpoint())
                .hasToString(URL + "/base/v1/traces");
        assertThat(read(Map.of(
                                "OTEL_EXPORTER_OTLP_ENDPOINT",
                                URL,
                                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                                "https://collector.internal/t"))
                        .endpoint())
                .hasToString("https://collector.internal/t");
    }

    @Test
    void theRestIsOpenTelemetrysToo() {
        TraceOptions options = read(Map.of(
                "OTEL_EXPORTER_OTLP_ENDPOINT", URL,
                "OTEL_EXPORTER_OTLP_HEADERS", "a=1, authorization=Bearer%20x",
                "OTEL_EXPORTER_OTLP_TIMEOUT", "700",
                "OTEL_TRACES_SAMPLER", "traceidratio",
                "OTEL_TRACES_SAMPLER_ARG", "0.25",
                "OTEL_RESOURCE_ATTRIBUTES", "service.name=from-list,k8s.pod.name=p+1",
                "OTEL_BSP_MAX_QUEUE_SIZE", "100",
                "OTEL_BSP_SCHEDULE_DELAY", "10"));
        assertThat(options.headers()).containsOnly(Map.entry("a", "1"), Map.entry("authorization", "Bearer x"));
        assertThat(options.timeout()).isEqualTo(Duration.ofMillis(700));
        assertThat(options.sampler()).isEqualTo(new Sampler(false, 0.25));
        assertThat(options.resource())
                .containsOnly(Map.entry("service.name", "from-list"), Map.entry("k8s.pod.name", "p+1"));
        assertThat(options.maxQueueSize()).isEqualTo(100);
        assertThat(options.maxBatchSize()).isEqualTo(100);
        assertThat(read(Map.of("OTEL_EXPORTER_OTLP_ENDPOINT", URL)).resource())
                .containsOnly(Map.entry("service.name", "apus"));
    }

    @ParameterizedTest
    @CsvSource({
        "OTEL_EXPORTER_OTLP_PROTOCOL, grpc, must be http/protobuf",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, http/json, must be http/protobuf",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, grpc://127.0.0.1:4317, OTLP over HTTP",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, '127.0.0.1:4318', OTLP over HTTP",
        "OTEL_TRACES_SAMPLER, jaeger_remote, must be always_on",
        "OTEL_TRACES_SAMPLER_ARG, 2, from 0 to 1",
        "OTEL_BSP_SCHEDULE_DELAY, soon, must be a whole number from 1 to 3600000",
        "OTEL_EXPORTER_OTLP_HEADERS, secret, must hold pairs",
        "OTEL_TRACES_EXPORTER, zipkin, must be otlp or none"
    })
    void whatIsWrongIsNamed(String name, String value, String message) {
        Map<String, String> environment = new java.util.HashMap<>(
                Map.of("OTEL_EXPORTER_OTLP_ENDPOINT", URL, "OTEL_TRACES_SAMPLER", "parentbased_traceidratio"));
        environment.put(name, value);
        assertThatThrownBy(() -> TraceOptions.read(null, environment))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message)
                .hasMessageNotContaining("secret");
    }

    @Test
    void readsTheCallersPlace() {
        TraceContext place = Objects.requireNonNull(TraceContext.parse("00-" + ID + "-01", "a=b"));
        assertThat(place.traceId()).isEqualTo("0af7651916cd43dd8448eb211c80319c");
        assertThat(place.span()).isEqualTo(0xb7ad6b7169203331L);
        assertThat(place.sampled()).isTrue();
        assertThat(place.state()).isEqualTo("a=b");
        assertThat(TraceContext.parse("cc-" + ID + "-00-what.later.versions.have", "x".repeat(513)))
                .isNotNull()
                .satisfies(later -> {
                    assertThat(later.sampled()).isFalse();
                    assertThat(later.state()).isEmpty();
                });
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "00-" + ID,
                "00-" + ID + "-1",
                "00-" + ID + "-01-more",
                "ff-" + ID + "-01",
                "0-" + ID + "-01",
                "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"
            })
    void whatIsNoPlaceIsNone(String header) {
        assertThat(TraceContext.parse(header, null)).isNull();
    }

    @Test
    void aShareOfTracesIsRecorded() {
        Sampler quarter = Sampler.of("parentbased_traceidratio", "0.25");
        long recorded = LongStream.range(0, 10_000)
                .filter(i -> quarter.place(null).sampled())
                .count();
        assertThat(recorded).isBetween(2_200L, 2_800L);
        TraceContext parent = Objects.requireNonNull(TraceContext.parse("00-" + ID + "-00", null));
        assertThat(quarter.place(parent).sampled()).isFalse();
        assertThat(Sampler.of("always_on", null).place(parent).sampled()).isTrue();
        assertThat(Sampler.of(null, null).place(parent).sampled()).isFalse();
        assertThat(quarter.place(parent).traceId()).isEqualTo(parent.traceId());
        assertThat(quarter.place(parent).span()).isNotEqualTo(parent.span());
    }
}
