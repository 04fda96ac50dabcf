package dev.apus.server.grpc;

import dev.apus.server.http.ApiException;
import dev.apus.server.http.CallEnd;
import dev.apus.server.http.CallSession;
import dev.apus.server.http.FrontEnd;
import dev.apus.server.http.FrontEnd.Purpose;
import dev.apus.server.http.GrpcMethod;
import dev.apus.server.http.HttpOptions;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.stub.StreamObserver;
import io.netty.channel.ChannelHandler;
import io.netty.handler.codec.http2.Http2Headers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/** The gRPC services of a server: this project's, vLLM's, KServe's, health checks and reflection. Thread-safe. */
public final class GrpcServices {
    /** gRPC's servers take 4 MiB by default, which a prompt of a million tokens exceeds. */
    private static final int MOST_MESSAGE = 16 << 20;

    private static final Context.Key<GrpcTransport> TRANSPORT = Context.key("dev.apus.server.grpc.transport");
    /** Methods that make the engine work; any key may ask for those that are in none of these lists. */
    private static final List<String> GENERATION = List.of(
            "apus.v1.Inference/Chat",
            "apus.v1.Inference/ChatStream",
            "apus.v1.Inference/Generate",
            "apus.v1.Inference/GenerateStream",
            "apus.v1.Inference/Embed",
            "vllm.grpc.engine.VllmEngine/Generate",
            "vllm.grpc.engine.VllmEngine/Embed",
            "inference.GRPCInferenceService/ModelInfer",
            "inference.GRPCInferenceService/ModelStreamInfer");

    private static final List<String> TEXT =
            List.of("apus.v1.Inference/Tokenize", "apus.v1.Inference/Detokenize", "vllm.grpc.engine.VllmEngine/Abort");
    /** They tell what all tenants do together. */
    private static final List<String> MONITORING = List.of(
            "apus.v1.Inference/GetLoads",
            "vllm.grpc.engine.VllmEngine/GetLoads",
            "vllm.grpc.engine.VllmEngine/GetServerInfo");
    /** They tell nothing but that the server is there. */
    private static final List<String> PROBES = List.of(
            "grpc.health.v1.Health/Check",
            "grpc.health.v1.Health/Watch",
            "vllm.grpc.engine.VllmEngine/HealthCheck",
            "inference.GRPCInferenceService/ServerLive",
            "inference.GRPCInferenceService/ServerReady");

    private final FrontEnd front;
    private final GrpcServer server;

    /**
     * @param maxBodyBytes most bytes of a request over HTTP, which bound those of a message, too
     * @param readTimeout how long a client may take to send a call's one message
     * @param stallTimeout how long a client may leave unread what is written for it
     * @param workers run what may block
     */
    private GrpcServices(
            FrontEnd front, int maxBodyBytes, Duration readTimeout, Duration stallTimeout, Executor workers) {
        this.front = front;
        List<ServerServiceDefinition> services = new ArrayList<>();
        services.add(new InferenceService(front).bindService());
        services.add(new VllmService(front).bindService());
        services.add(new KserveService(front).bindService());
        HealthService health = new HealthService(front, names(services));
        services.add(health.bindService());
        services.addAll(new ReflectionService(services).bindServices());
        server = new GrpcServer(
                services,
                List.of(new Transports()),
                new GrpcServer.Limits(Math.min(maxBodyBytes, MOST_MESSAGE), readTimeout, stallTimeout),
                this::admit,
                new CallWatch() {
                    @Override
                    public void began(GrpcMethod method) {
                        front.callBegan(method);
                    }

                    @Override
                    public void ended(CallEnd call) {
                        front.callEnded(call);
                    }
                },
                workers);
    }

    /** The services over a server's front end and within its limits, as the server takes them. */
    public static Supplier<ChannelHandler> streams(FrontEnd front, HttpOptions options, Executor workers) {
        return new GrpcServices(front, options.maxBodyBytes(), options.readTimeout(), options.stallTimeout(), workers)
                ::newStream;
    }

    /** The handler of one HTTP/2 stream whose content type is gRPC's; gets the stream's frames from its head on. */
    private ChannelHandler newStream() {
        return server.newStream();
    }

    private static List<String> names(List<ServerServiceDefinition> services) {
        return services.stream().map(s -> s.getServiceDescriptor().getName()).toList();
    }

    private CallAdmission admit(GrpcTransport transport, Http2Headers head, String method) {
        try {
            Purpose purpose = purpose(method);
            boolean brief = purpose != Purpose.GENERATION && purpose != Purpose.TEXT;
            return new SessionAdmission(
                    front.begin(transport, head, "/" + method, purpose, transport.timeoutNanos()), brief);
        } catch (ApiException e) {
            throw GrpcErrors.of(e);
        }
    }

    private static Purpose purpose(String method) {
        if (GENERATION.contains(method)) {
            return Purpose.GENERATION;
        }
        if (TEXT.contains(method)) {
            return Purpose.TEXT;
        }
        if (MONITORING.contains(method)) {
            return Purpose.MONITORING;
        }
        return PROBES.contains(method) ? Purpose.PROBE : Purpose.INFORMATION;
    }

    /** Of the call whose service is running. */
    static GrpcTransport transport() {
        return TRANSPORT.get();
    }

    /** Work that answers or throws. */
    interface Work {
        void run(CallSession session);
    }

    /** Runs a service's work, and answers with the error if it throws one. */
    static void answering(StreamObserver<?> answer, Work work) {
        try {
            work.run(session());
        } catch (ApiException e) {
            answer.onError(GrpcErrors.of(e));
        }
    }

    static CallSession session() {
        return ((SessionAdmission) transport().admission()).session();
    }

    /** Makes a call's stream known to its service. */
    private static final class Transports implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            GrpcTransport transport = call.getAttributes().get(GrpcTransport.KEY);
            return Contexts.interceptCall(Context.current().withValue(TRANSPORT, transport), call, headers, next);
        }
    }

    private record SessionAdmission(CallSession session, boolean brief) implements CallAdmission {
        @Override
        public boolean tryTake(long bytes) {
            return session.tryTake(bytes);
        }

        @Override
        public void reading(long bytes) {
            session.reading(bytes);
        }

        @Override
        public void takeParsed(long bytes) {
            try {
                session.takeParsed(bytes);
            } catch (ApiException e) {
                throw GrpcErrors.of(e);
            }
        }

        @Override
        public void giveBack() {
            session.giveBack();
        }

        @Override
        public void sending(long bytes) {
            session.takeForAnswer(bytes);
        }

        @Override
        public void sent(long bytes) {
            session.giveBackAnswer(bytes);
        }

        @Override
        public void writable() {
            session.writable();
        }

        @Override
        public void ended() {
            session.gone();
        }

        @Override
        public void close() {
            session.close();
        }
    }
}
