package dev.apus.server.grpc;

import io.grpc.Status;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.stub.ServerCallStreamObserver;
import io.netty.channel.Channel;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Those who watch the server's health over the connections of one event loop. A watch needs no key and has no end, so a connection may
 * have few. Confined to the event loop.
 */
final class HealthWatches {
    /** gRPC's clients watch once for each connection; some services of a server may be watched apart. */
    static final int MOST_PER_CONNECTION = 16;
    /** How soon those who watch hear of a change. */
    private static final int LOOK_MILLIS = 250;

    private final EventExecutor loop;
    private final Set<Watch> watches = new LinkedHashSet<>();
    private final Map<Channel, Integer> perConnection = new HashMap<>();
    private @Nullable Future<?> looking;

    HealthWatches(EventExecutor loop) {
        this.loop = loop;
    }

    /** Tells the state now and whenever it changes, until the call has ended; or refuses if the connection has too many. */
    void add(
            GrpcTransport transport,
            ServerCallStreamObserver<HealthCheckResponse> call,
            Supplier<ServingStatus> state) {
        Channel connection = transport.connection();
        if (perConnection.getOrDefault(connection, 0) >= MOST_PER_CONNECTION) {
            call.onError(Status.RESOURCE_EXHAUSTED
                    .withDescription("the connection has " + MOST_PER_CONNECTION + " watches, more are not allowed")
                    .asRuntimeException());
            return;
        }
        Watch watch = new Watch(call, state);
        watches.add(watch);
        perConnection.merge(connection, 1, Integer::sum);
        if (looking == null) {
            looking = loop.scheduleWithFixedDelay(
                    // A copy: what is told may end a call, and so its watch.
                    () -> List.copyOf(watches).forEach(Watch::look), LOOK_MILLIS, LOOK_MILLIS, TimeUnit.MILLISECONDS);
        }
        watch.look();
        transport.onLeft(() -> remove(watch, connection));
    }

    private void remove(Watch watch, Channel connection) {
        watches.remove(watch);
        perConnection.computeIfPresent(connection, (any, count) -> count == 1 ? null : count - 1);
        Future<?> timer = looking;
        if (watches.isEmpty() && timer != null) {
            timer.cancel(false);
            looking = null;
        }
    }

    private static final class Watch {
        private final ServerCallStreamObserver<HealthCheckResponse> call;
        private final Supplier<ServingStatus> state;
        private ServingStatus told = ServingStatus.UNKNOWN;

        Watch(ServerCallStreamObserver<HealthCheckResponse> call, Supplier<ServingStatus> state) {
            this.call = call;
            this.state = state;
        }

        void look() {
            ServingStatus status = state.get();
            if (status != told && !call.isCancelled()) {
                told = status;
                call.onNext(HealthService.response(status));
            }
        }
    }
}
