package dev.apus.server.grpc;

import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.ServerMethodDefinition;
import io.grpc.ServerServiceDefinition;
import io.netty.channel.ChannelHandler;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/** What all gRPC streams of a server share: its methods and what it grants a client. It owns no thread and no socket. Thread-safe. */
final class GrpcServer {
    /** The name of all methods that do not exist. */
    static final String UNKNOWN = "none";
    /** Most bytes of a request that is a name or less. */
    private static final int BRIEF_BYTES = 8 << 10;

    private final Map<String, ServerMethodDefinition<?, ?>> methods = new HashMap<>();
    private final Limits limits;
    private final CallAdmission.Gate gate;
    private final CallWatch watch;
    private final Executor workers;

    /**
     * What a client may do.
     *
     * @param messageBytes most bytes of a message, compressed or not
     * @param readTimeout how long it may take to send a message that it has begun, or the one message of a call that has one
     * @param stallTimeout how long it may leave unread what is written for it
     */
    record Limits(int messageBytes, Duration readTimeout, Duration stallTimeout) {
        /** Most bytes of a message of a call. */
        int messageBytes(CallAdmission call) {
            return call.brief() ? Math.min(messageBytes, BRIEF_BYTES) : messageBytes;
        }
    }

    /**
     * @param services with the interceptors that are their own
     * @param interceptors of all services, the first one called first
     * @param gate lets calls in
     * @param watch hears of calls
     * @param workers run the services' callbacks; they may block
     */
    GrpcServer(
            List<ServerServiceDefinition> services,
            List<ServerInterceptor> interceptors,
            Limits limits,
            CallAdmission.Gate gate,
            CallWatch watch,
            Executor workers) {
        for (ServerServiceDefinition service : services) {
            for (ServerMethodDefinition<?, ?> method :
                    ServerInterceptors.interceptForward(service, interceptors).getMethods()) {
                methods.put(method.getMethodDescriptor().getFullMethodName(), method);
            }
        }
        this.limits = limits;
        this.gate = gate;
        this.watch = watch;
        this.workers = workers;
    }

    /** The handler of one stream, which gets the stream's frames from its head on. */
    ChannelHandler newStream() {
        return new GrpcBridge(this);
    }

    @Nullable
    ServerMethodDefinition<?, ?> method(String name) {
        return methods.get(name);
    }

    Limits limits() {
        return limits;
    }

    CallAdmission.Gate gate() {
        return gate;
    }

    CallWatch watch() {
        return watch;
    }

    Executor workers() {
        return workers;
    }
}
