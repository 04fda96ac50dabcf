package dev.apus.server.http;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.apus.server.tracing.TraceOptions;
import io.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
import io.opentelemetry.proto.common.v1.AnyValue;
import io.opentelemetry.proto.common.v1.KeyValue;
import io.opentelemetry.proto.trace.v1.ResourceSpans;
import io.opentelemetry.proto.trace.v1.Span;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/** A collector of traces that reads what it gets by OpenTelemetry's own classes. */
final class TestCollector implements AutoCloseable {
    private final HttpServer server;
    final List<Span> spans = new CopyOnWriteArrayList<>();
    final List<ResourceSpans> resources = new CopyOnWriteArrayList<>();
    final List<Map<String, String>> headers = new CopyOnWriteArrayList<>();
    /** Statuses to refuse with, one for each of the next requests. */
    final Queue<Integer> refusals = new ConcurrentLinkedQueue<>();

    TestCollector() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/v1/traces", this::take);
        server.start();
    }

    private void take(HttpExchange exchange) throws IOException {
        byte[] body = exchange.getRequestBody().readAllBytes();
        Map<String, String> head = new HashMap<>();
        exchange.getRequestHeaders()
                .forEach((name, values) -> head.put(name.toLowerCase(java.util.Locale.ROOT), values.getFirst()));
        headers.add(head);
        Integer refusal = refusals.poll();
        if (refusal == null) {
            for (ResourceSpans resource :
                    ExportTraceServiceRequest.parseFrom(body).getResourceSpansList()) {
                resources.add(resource);
                resource.getScopeSpansList().forEach(scope -> spans.addAll(scope.getSpansList()));
            }
        }
        exchange.sendResponseHeaders(refusal == null ? 200 : refusal, -1);
        exchange.close();
    }

    String url() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    /** Options that lead here, with pairs of a variable and its value; batches wait for 50 ms if nothing else is said. */
    TraceOptions options(String... variables) {
        return optionsFor(url(), variables);
    }

    static TraceOptions optionsFor(String url, String... variables) {
        Map<String, String> environment = new HashMap<>(Map.of("OTEL_BSP_SCHEDULE_DELAY", "50"));
        for (int i = 0; i < variables.length; i += 2) {
            environment.put(variables[i], variables[i + 1]);
        }
        TraceOptions options = TraceOptions.read(url, environment);
        if (options == null) {
            throw new AssertionError("traces are off");
        }
        return options;
    }

    /** The spans that belong to requests as a whole. */
    List<Span> roots() {
        return spans.stream()
                .filter(span -> span.getKind() == Span.SpanKind.SPAN_KIND_SERVER)
                .toList();
    }

    static Map<String, AnyValue> attributes(Span span) {
        Map<String, AnyValue> attributes = new HashMap<>();
        for (KeyValue pair : span.getAttributesList()) {
            AnyValue before = attributes.put(pair.getKey(), pair.getValue());
            if (before != null) {
                throw new AssertionError(pair.getKey() + " is there twice");
            }
        }
        return attributes;
    }

    /** The value of an attribute that must be there. */
    static AnyValue value(Map<String, AnyValue> attributes, String name) {
        return Objects.requireNonNull(attributes.get(name), name);
    }

    static @Nullable String text(Map<String, AnyValue> attributes, String name) {
        AnyValue value = attributes.get(name);
        return value == null ? null : value.getStringValue();
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
