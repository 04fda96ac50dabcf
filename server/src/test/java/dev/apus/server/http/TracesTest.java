package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.LanguageModel;
import dev.apus.server.tracing.OtlpSender;
import dev.apus.server.tracing.TraceOptions;
import io.opentelemetry.proto.common.v1.AnyValue;
import io.opentelemetry.proto.trace.v1.Span;
import io.opentelemetry.proto.trace.v1.Status.StatusCode;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.slf4j.LoggerFactory;

/** Traces of requests as a collector sees them. */
@Timeout(120)
class TracesTest {
    private static final Path MODEL = Path.of("../models/src/test/resources/golden/gguf-llama/llama-Q4_1.gguf");
    private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";
    private static final String PARENT = "b7ad6b7169203331";
    private static final String TRACEPARENT = "00-" + TRACE + "-" + PARENT + "-";
    private static final String REQUEST = "{\"prompt\":\"abcd\",\"max_tokens\":3}";

    private TestCollector collector;

    @BeforeEach
    void open() throws Exception {
        collector = new TestCollector();
    }

    @AfterEach
    void close() {
        collector.close();
    }

    private static ServerFixture fixture(TraceOptions options) {
        return new ServerFixture(builder -> builder.watch(WatchOptions.NONE.withTraces(options)));
    }

    /** Has a request answered with the letter x. */
    private static void ask(ServerFixture fixture, String... headers) throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.post("/v1/completions", REQUEST, headers));
            ManualEngine.Work work = fixture.engine.next();
            work.emit("x");
            fixture.engine.finish(work);
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 200");
        }
    }

    private static String hex(com.google.protobuf.ByteString bytes) {
        return HexFormat.of().formatHex(bytes.toByteArray());
    }

    private Span root() throws InterruptedException {
        ServerFixture.await("the trace", () -> !collector.roots().isEmpty());
        return collector.roots().getFirst();
    }

    /** Of a real engine: where the time goes adds up. */
    @Test
    void theSpansOfARequestAreItsTime() throws Exception {
        try (LanguageModel model = LanguageModel.open(
                        MODEL,
                        CpuBackend.create(new CpuOptions(CpuOptions.Provider.AUTO, 1)),
                        EngineOptions.builder().maxNumSeqs(2).build(),
                        "tiny");
                HttpServer server = HttpServer.start(
                        model.served(),
                        HttpOptions.builder()
                                .port(0)
                                .watch(WatchOptions.NONE.withTraces(collector.options(
                                        "OTEL_SERVICE_NAME", "inference",
                                        "OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=a%20b",
                                        "OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=k-1")))
                                .build());
                HttpClient client = HttpClient.newHttpClient()) {
            HttpRequest request = HttpRequest.newBuilder(
                            URI.create("http://127.0.0.1:" + server.port() + "/v1/completions"))
                    .header("content-type", "application/json")
                    .header("x-request-id", "r-1")
                    .header("traceparent", TRACEPARENT + "01")
                    .header("tracestate", "vendor=1")
                    .POST(
                            HttpRequest.BodyPublishers.ofString(
                                    "{\"prompt\":\"a secret prompt\",\"max_tokens\":60,\"ignore_eos\":true,\"temperature\":0.5}"))
                    .build();
            assertThat(client.send(request, BodyHandlers.ofString()).statusCode())
                    .isEqualTo(200);

            Span root = root();
            checkRoot(root);
            checkChildren(root);
            assertThat(collector.headers.getFirst())
                    .containsEntry("content-type", "application/x-protobuf")
                    .containsEntry("x-api-key", "k-1");
            assertThat(collector.resources.getFirst().getResource().getAttributesList())
                    .extracting(pair -> pair.getKey() + "=" + pair.getValue().getStringValue())
                    .contains("service.name=inference", "deployment.environment.name=a b");
            assertThat(collector.resources.toString()).doesNotContain("secret");
        }
    }

    private static void checkRoot(Span root) {
        assertThat(root.getName()).isEqualTo("text_completion tiny");
        assertThat(hex(root.getTraceId())).isEqualTo(TRACE);
        assertThat(hex(root.getParentSpanId())).isEqualTo(PARENT);
        assertThat(root.getTraceState()).isEqualTo("vendor=1");
        assertThat(root.getFlags()).isEqualTo(1);
        assertThat(root.getStatus().getCode()).isEqualTo(StatusCode.STATUS_CODE_UNSET);
        assertThat(root.getStartTimeUnixNano() / 1_000_000)
                .isCloseTo(System.currentTimeMillis(), org.assertj.core.data.Offset.offset(60_000L));
        Map<String, AnyValue> attributes = TestCollector.attributes(root);
        assertThat(TestCollector.text(attributes, "gen_ai.operation.name")).isEqualTo("text_completion");
        assertThat(TestCollector.text(attributes, "gen_ai.request.model")).isEqualTo("tiny");
        assertThat(TestCollector.text(attributes, "gen_ai.request.id")).isEqualTo("r-1");
        assertThat(TestCollector.text(attributes, "http.route")).isEqualTo("/v1/completions");
        assertThat(attributes.get("http.response.status_code")).hasToString("int_value: 200\n");
        assertThat(attributes.get("gen_ai.usage.output_tokens")).hasToString("int_value: 60\n");
        assertThat(attributes.get("gen_ai.request.max_tokens")).hasToString("int_value: 60\n");
        assertThat(attributes.get("gen_ai.request.temperature")).hasToString("double_value: 0.5\n");
        assertThat(TestCollector.value(attributes, "gen_ai.response.finish_reasons")
                        .toString())
                .contains("length");
        double parts = 0;
        for (String part : List.of("time_in_queue", "time_in_model_prefill", "time_in_model_decode")) {
            parts += TestCollector.value(attributes, "gen_ai.latency." + part).getDoubleValue();
        }
        assertThat(TestCollector.value(attributes, "gen_ai.latency.e2e").getDoubleValue())
                .isGreaterThanOrEqualTo(parts);
        assertThat(TestCollector.value(attributes, "gen_ai.latency.time_to_first_token")
                        .getDoubleValue())
                .isPositive();
    }

    private void checkChildren(Span root) {
        Map<String, Span> children = collector.spans.stream()
                .filter(span -> span.getKind() == Span.SpanKind.SPAN_KIND_INTERNAL)
                .collect(Collectors.toMap(Span::getName, span -> span));
        assertThat(children).containsOnlyKeys("parse", "queue", "prefill", "decode");
        long at = root.getStartTimeUnixNano();
        long sum = 0;
        for (String name : List.of("parse", "queue", "prefill", "decode")) {
            Span child = Objects.requireNonNull(children.get(name));
            assertThat(child.getParentSpanId()).isEqualTo(root.getSpanId());
            assertThat(child.getTraceId()).isEqualTo(root.getTraceId());
            assertThat(child.getStartTimeUnixNano()).as(name).isGreaterThanOrEqualTo(at);
            assertThat(child.getEndTimeUnixNano()).as(name).isGreaterThanOrEqualTo(child.getStartTimeUnixNano());
            at = child.getEndTimeUnixNano();
            sum += at - child.getStartTimeUnixNano();
        }
        assertThat(at).isLessThanOrEqualTo(root.getEndTimeUnixNano());
        long total = root.getEndTimeUnixNano() - root.getStartTimeUnixNano();
        // What is left is the way of events and of the answer.
        assertThat(total - sum).isBetween(0L, total / 4 + 50_000_000L);
    }

    @Test
    void aCallOverGrpcBelongsToItsCallersTrace() throws Exception {
        try (GrpcFixture fixture =
                new GrpcFixture(builder -> builder.watch(WatchOptions.NONE.withTraces(collector.options())))) {
            Thread asking = Thread.ofVirtual()
                    .start(() -> InferenceGrpc.newBlockingStub(fixture.client.with("traceparent", TRACEPARENT + "01"))
                            .generate(GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(9))));
            ManualEngine.Work work = fixture.engine.next();
            work.emit("abc");
            fixture.engine.finish(work);
            asking.join();

            Span root = root();
            assertThat(hex(root.getTraceId())).isEqualTo(TRACE);
            assertThat(hex(root.getParentSpanId())).isEqualTo(PARENT);
            assertThat(TestCollector.text(TestCollector.attributes(root), "http.route"))
                    .isEqualTo("/apus.v1.Inference/Generate");
            assertThat(collector.spans)
                    .extracting(Span::getName)
                    .contains("parse", "queue", "prefill", "decode", "text_completion stub");
        }
    }

    @Test
    void whatIsNotSampledIsNotSent() throws Exception {
        try (ServerFixture fixture = fixture(collector.options("OTEL_TRACES_SAMPLER", "parentbased_always_off"))) {
            ask(fixture);
            ask(fixture, "traceparent: " + TRACEPARENT + "00");
            ask(fixture, "traceparent: " + TRACEPARENT + "01");
            ask(fixture, "traceparent: 00-00000000000000000000000000000000-" + PARENT + "-01");
            root();
        }
        assertThat(collector.roots()).hasSize(1);
    }

    @Test
    void aFailureIsAnError() throws Exception {
        try (ServerFixture fixture = fixture(collector.options())) {
            fixture.engine.room.set(0);
            assertThat(fixture.connectAndAnswer(RawClient.post("/v1/completions", REQUEST)))
                    .contains(" 429 ");
            Span root = root();
            assertThat(root.getStatus().getCode()).isEqualTo(StatusCode.STATUS_CODE_ERROR);
            assertThat(TestCollector.text(TestCollector.attributes(root), "error.type"))
                    .isEqualTo("429");
            assertThat(root.getParentSpanId().isEmpty()).isTrue();
        }
    }

    /** Spans wait for an hour to be sent, unless the server stops. */
    @Test
    void nothingIsLostAtTheEnd() throws Exception {
        int requests = 30;
        ServerFixture fixture = fixture(collector.options("OTEL_BSP_SCHEDULE_DELAY", "3600000"));
        try {
            for (int i = 0; i < requests; i++) {
                ask(fixture);
            }
        } finally {
            fixture.server.shutdown(Duration.ofSeconds(5));
            fixture.close();
        }
        assertThat(collector.roots()).hasSize(requests);
        assertThat(collector.spans).hasSize(requests * 5);
    }

    @Test
    void aRefusedBatchIsSentAgain() throws Exception {
        collector.refusals.add(503);
        collector.refusals.add(429);
        try (ServerFixture fixture = fixture(collector.options())) {
            ask(fixture);
            root();
            assertThat(collector.headers).hasSize(3);
            assertThat(Scrape.of(fixture).value("apus:trace_spans_dropped_total"))
                    .isZero();
            ServerFixture.await("the count", () -> Scrape.of(fixture).value("apus:trace_spans_sent_total") == 5);
        }
    }

    /** Nobody listens: requests are answered as ever, the log says so once, and what is lost is counted. */
    @Test
    void aDeadCollectorCostsRequestsNothing() throws Exception {
        int port;
        try (ServerSocket socket = new ServerSocket(0)) {
            port = socket.getLocalPort();
        }
        Logger logger = (Logger) LoggerFactory.getLogger(OtlpSender.class);
        ListAppender<ILoggingEvent> told = new ListAppender<>();
        told.start();
        logger.addAppender(told);
        try (ServerFixture fixture = fixture(TestCollector.optionsFor(
                "http://127.0.0.1:" + port, "OTEL_BSP_MAX_QUEUE_SIZE", "20", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5"))) {
            for (int i = 0; i < 50; i++) {
                ask(fixture);
            }
            assertThat(Scrape.of(fixture).value("apus:trace_spans_dropped_total"))
                    .isGreaterThan(100);
            ServerFixture.await("the warning", () -> !List.copyOf(told.list).isEmpty());
        } finally {
            logger.detachAppender(told);
        }
        assertThat(told.list).singleElement().satisfies(event -> {
            assertThat(event.getLevel()).isEqualTo(Level.WARN);
            assertThat(event.getFormattedMessage()).contains("127.0.0.1:" + port, "does not take them");
        });
    }
}
