package dev.apus.server.http;

/** Tells of requests to those who watch the server: as metrics. Thread-safe. */
final class RequestReports implements RequestWatch {
    private final ServerMetrics metrics;

    RequestReports(ServerMetrics metrics) {
        this.metrics = metrics;
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
    }

    private void countForTenant(Exchange exchange) {
        String tenant = exchange.record().tenant();
        if (tenant != null) {
            metrics.tenants().of(tenant).request(exchange.status());
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
        if (session != null) {
            session.whenSettled(() -> callSettled(call));
        } else {
            callSettled(call);
        }
    }

    private void callSettled(CallEnd call) {}
}
