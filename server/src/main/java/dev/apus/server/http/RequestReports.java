package dev.apus.server.http;

import dev.apus.server.tracing.TraceContext;
import dev.apus.server.tracing.TraceOptions;
import org.jspecify.annotations.Nullable;

/** Tells of requests to those who watch the server: as metrics, in the access log and as traces. Thread-safe. */
final class RequestReports implements RequestWatch, AutoCloseable {
    private final ServerMetrics metrics;
    private final @Nullable AccessLog log;
    private final @Nullable RequestTraces traces;

    RequestReports(ServerMetrics metrics, WatchOptions options, String model) {
        this.metrics = metrics;
        log = options.accessLog() == AccessLogFormat.OFF
                ? null
                : new AccessLog(
                        options.accessLog(),
                        options.accessLogTo(),
                        metrics.counter("apus:access_log_dropped")::increment);
        TraceOptions wanted = options.traces();
        traces = wanted == null ? null : new RequestTraces(wanted, model);
        if (traces != null) {
            metrics.counter("apus:trace_spans_sent", traces, RequestTraces::sent);
            metrics.counter("apus:trace_spans_dropped", traces, RequestTraces::dropped);
        }
    }

    ServerMetrics metrics() {
        return metrics;
    }

    @Override
    public void answered(Exchange exchange) {
        if (!exchange.isBackground()) {
            metrics.http().answered(exchange);
        }
    }

    @Override
    public void settled(Exchange exchange) {
        countForTenant(exchange);
        trace(exchange);
        if (log != null) {
            log.request(exchange);
        }
    }

    private void countForTenant(Exchange exchange) {
        String tenant = exchange.record().tenant();
        if (tenant != null) {
            metrics.tenants().of(tenant).request(exchange.status());
        }
    }

    /** Requests that make no work are not traced, but belong to a trace all the same. */
    private void trace(Exchange exchange) {
        boolean works = exchange.record().tenant() != null;
        TraceContext place = works && traces != null ? traces.record(exchange) : RequestTraces.parent(exchange);
        if (place != null) {
            exchange.record().traceId(place.traceId());
        }
    }

    /** Of one gRPC call's requests: the call itself is told of when it ends. */
    RequestWatch within(CallSession session) {
        return new RequestWatch() {
            @Override
            public void answered(Exchange exchange) {}

            @Override
            public void settled(Exchange exchange) {
                countForTenant(exchange);
                trace(exchange);
                session.settled(exchange);
            }
        };
    }

    /** A gRPC call has begun. */
    void callBegan(GrpcMethod method) {
        metrics.grpc().began(method);
    }

    /** A gRPC call has ended; the engine may still be about to end what it did for it. */
    void callEnded(CallEnd call) {
        metrics.grpc().ended(call);
        CallSession session = call.session();
        if (session == null) {
            callSettled(call);
        } else {
            session.whenSettled(() -> callSettled(call));
        }
    }

    private void callSettled(CallEnd call) {
        if (log != null) {
            log.call(call);
        }
    }

    /** What is told is written, and nothing more is told. */
    @Override
    public void close() {
        if (log != null) {
            log.close();
        }
        if (traces != null) {
            traces.close();
        }
    }
}
