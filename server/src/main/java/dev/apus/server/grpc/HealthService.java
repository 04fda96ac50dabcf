package dev.apus.server.grpc;

import dev.apus.server.http.FrontEnd;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.netty.util.concurrent.EventExecutor;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * {@code grpc.health.v1.Health}: whether requests for text are answered, of the server (the empty name) and of each service. It is not
 * while the server drains or when the engine has ended. Thread-safe.
 */
final class HealthService extends HealthGrpc.HealthImplBase {
    private final FrontEnd front;
    private final Set<String> services;
    private final Map<EventExecutor, HealthWatches> watches = new ConcurrentHashMap<>();

    HealthService(FrontEnd front, Iterable<String> names) {
        this.front = front;
        java.util.HashSet<String> known = new java.util.HashSet<>();
        known.add("");
        names.forEach(known::add);
        services = Set.copyOf(known);
    }

    @Override
    public void check(HealthCheckRequest request, StreamObserver<HealthCheckResponse> answer) {
        if (!services.contains(request.getService())) {
            answer.onError(Status.NOT_FOUND
                    .withDescription("there is no such service, see the server's reflection")
                    .asRuntimeException());
            return;
        }
        answer.onNext(response(now()));
        answer.onCompleted();
    }

    /** Tells the state now and whenever it changes; a service that is not known is one that may come. */
    @Override
    public void watch(HealthCheckRequest request, StreamObserver<HealthCheckResponse> answer) {
        boolean known = services.contains(request.getService());
        ServerCallStreamObserver<HealthCheckResponse> call = (ServerCallStreamObserver<HealthCheckResponse>) answer;
        call.setOnCancelHandler(() -> {});
        GrpcTransport transport = GrpcServices.transport();
        EventExecutor loop = transport.loop();
        HealthWatches watching = watches.computeIfAbsent(loop, any -> new HealthWatches(loop));
        loop.execute(() -> watching.add(transport, call, known ? this::now : () -> ServingStatus.SERVICE_UNKNOWN));
    }

    private ServingStatus now() {
        return front.isReady() ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
    }

    static HealthCheckResponse response(ServingStatus status) {
        return HealthCheckResponse.newBuilder().setStatus(status).build();
    }
}
