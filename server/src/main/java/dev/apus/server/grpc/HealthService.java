package dev.apus.server.grpc;

import dev.apus.server.http.FrontEnd;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.netty.util.concurrent.Future;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * {@code grpc.health.v1.Health}: whether requests for text are answered, of the server (the empty name) and of each service. It is not
 * while the server drains or when the engine has ended. Thread-safe.
 */
final class HealthService extends HealthGrpc.HealthImplBase {
    /** How soon those who watch hear of a change. */
    private static final int WATCH_MILLIS = 250;

    private final FrontEnd front;
    private final Set<String> services;

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
        if (!services.contains(request.getService())) {
            answer.onNext(response(ServingStatus.SERVICE_UNKNOWN));
            return;
        }
        ServerCallStreamObserver<HealthCheckResponse> call = (ServerCallStreamObserver<HealthCheckResponse>) answer;
        call.setOnCancelHandler(() -> {});
        GrpcTransport transport = GrpcServices.transport();
        Watch watch = new Watch(call);
        transport.loop().execute(watch::look);
        Future<?> looking =
                transport.loop().scheduleWithFixedDelay(watch::look, WATCH_MILLIS, WATCH_MILLIS, TimeUnit.MILLISECONDS);
        transport.onLeft(() -> looking.cancel(false));
    }

    /** One who watches; confined to his event loop. */
    private final class Watch {
        private final ServerCallStreamObserver<HealthCheckResponse> call;
        private ServingStatus told = ServingStatus.UNKNOWN;

        Watch(ServerCallStreamObserver<HealthCheckResponse> call) {
            this.call = call;
        }

        void look() {
            ServingStatus status = now();
            if (status != told && !call.isCancelled()) {
                told = status;
                call.onNext(response(status));
            }
        }
    }

    private ServingStatus now() {
        return front.isReady() ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
    }

    private static HealthCheckResponse response(ServingStatus status) {
        return HealthCheckResponse.newBuilder().setStatus(status).build();
    }
}
