package dev.apus.loadtest.openloop;

import dev.apus.loadtest.Target;
import dev.apus.proto.v1.ChatRequest;
import dev.apus.proto.v1.GenerateRequest;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.Message;
import dev.apus.proto.v1.Sampling;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import io.netty.handler.ssl.util.InsecureTrustManagerFactory;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/** A channel to a server's {@code apus.v1.Inference}. Thread-safe. */
public final class GrpcCaller implements AutoCloseable {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private final ManagedChannel channel;
    private final Target target;

    public GrpcCaller(Target target) {
        this.target = target;
        NettyChannelBuilder builder =
                NettyChannelBuilder.forAddress(target.url().getHost(), target.port());
        if (target.tls()) {
            try {
                builder.sslContext(GrpcSslContexts.forClient()
                        .trustManager(InsecureTrustManagerFactory.INSTANCE)
                        .build());
            } catch (SSLException e) {
                throw new IllegalStateException("this JDK has no TLS", e);
            }
        } else {
            builder.usePlaintext();
        }
        channel = builder.build();
    }

    /** Calls whose answers come to an observer. */
    public InferenceGrpc.InferenceStub async(@Nullable String key) {
        InferenceGrpc.InferenceStub stub = InferenceGrpc.newStub(channel);
        return key == null ? stub : stub.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers(key)));
    }

    private static Metadata headers(String key) {
        Metadata headers = new Metadata();
        headers.put(AUTHORIZATION, "Bearer " + key);
        return headers;
    }

    /** A text to go on with. */
    public GenerateRequest request(String prompt, int maxTokens) {
        Sampling.Builder sampling = Sampling.newBuilder().setMaxTokens(maxTokens);
        if (target.ignoreEos()) {
            sampling.setIgnoreEos(true);
        }
        return GenerateRequest.newBuilder()
                .setModel(target.model())
                .setText(prompt)
                .setSampling(sampling)
                .build();
    }

    /** The same as a conversation of one message. */
    static ChatRequest chat(GenerateRequest request) {
        return ChatRequest.newBuilder()
                .setModel(request.getModel())
                .addMessages(Message.newBuilder().setRole("user").setContent(request.getText()))
                .setSampling(request.getSampling())
                .build();
    }

    @Override
    public void close() {
        channel.shutdownNow();
        try {
            channel.awaitTermination(5, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
