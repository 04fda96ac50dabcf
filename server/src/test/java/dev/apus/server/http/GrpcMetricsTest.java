package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.proto.v1.GenerateRequest;
import dev.apus.proto.v1.GenerationResponse;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.TokenizeRequest;
import dev.apus.server.http.GrpcClient.Collector;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** gRPC's calls in {@code /metrics}, and the ids that their clients are told. */
@Timeout(60)
class GrpcMetricsTest {
    private static final String SERVICE = "apus.v1.Inference";
    private static final Metadata.Key<String> REQUEST_ID =
            Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);

    private final GrpcFixture fixture = new GrpcFixture();

    @AfterEach
    void close() {
        fixture.close();
    }

    private Scrape scrape() throws IOException {
        try (RawClient client = new RawClient(fixture.server)) {
            String answer = client.send(RawClient.get("/metrics")).readAnswer();
            return new Scrape(answer.substring(answer.indexOf("\r\n\r\n") + 4));
        }
    }

    private double handled(String method, String code) throws IOException {
        return scrape()
                .all("grpc_server_handled_total", "grpc_service", SERVICE, "grpc_method", method, "grpc_code", code)
                .stream()
                .mapToDouble(Scrape.Sample::value)
                .sum();
    }

    @Test
    void countsCallsByMethodAndCode() throws Exception {
        Collector<GenerateRequest, GenerationResponse> stream = new Collector<>(-1);
        InferenceGrpc.newStub(fixture.client.channel())
                .generateStream(GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(9)), stream);
        ManualEngine.Work work = fixture.engine.next();
        work.emit("a");
        ServerFixture.await("the first message", () -> !stream.messages.isEmpty());
        work.emit("b");
        fixture.engine.finish(work);
        assertThat(stream.end()).isEqualTo(Status.Code.OK);
        GrpcClient.code(() -> InferenceGrpc.newBlockingStub(fixture.client.channel())
                .withDeadlineAfter(200, TimeUnit.MILLISECONDS)
                .generate(GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(9))));
        GrpcClient.code(() -> ClientCalls.blockingUnaryCall(
                fixture.client.channel(),
                InferenceGrpc.getTokenizeMethod().toBuilder()
                        .setFullMethodName("an.Invented/Name")
                        .build(),
                CallOptions.DEFAULT,
                TokenizeRequest.getDefaultInstance()));
        ServerFixture.await("the ends", () -> {
            try {
                // The client's own timer may be first, and cancels.
                double late = handled("Generate", "DeadlineExceeded") + handled("Generate", "Canceled");
                return handled("GenerateStream", "OK") == 1 && late == 1;
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });

        Scrape scrape = scrape();
        assertThat(scrape.value(
                        "grpc_server_started_total", "grpc_method", "GenerateStream", "grpc_type", "server_stream"))
                .isEqualTo(1);
        assertThat(scrape.value("grpc_server_msg_received_total", "grpc_method", "GenerateStream"))
                .isEqualTo(1);
        assertThat(scrape.value("grpc_server_msg_sent_total", "grpc_method", "GenerateStream"))
                .isEqualTo(stream.messages.size());
        assertThat(scrape.value("grpc_server_handling_seconds_count", "grpc_method", "Generate", "grpc_type", "unary"))
                .isEqualTo(1);
        assertThat(scrape.value("grpc_server_handled_total", "grpc_service", "unknown", "grpc_code", "Unimplemented"))
                .isEqualTo(1);
        // The client's invention is no label, and gRPC's calls are none of HTTP's.
        assertThat(scrape.samples).noneMatch(sample -> sample.labels().containsValue("an.Invented"));
        assertThat(scrape.all("http_requests_total"))
                .noneMatch(sample -> sample.labels().getOrDefault("handler", "").contains("Inference"));
        assertThat(scrape.value("apus:tenant_generation_tokens_total", "tenant", "default"))
                .isEqualTo(2);
    }

    private String requestId(String given) {
        Metadata metadata = new Metadata();
        if (!given.isEmpty()) {
            metadata.put(REQUEST_ID, given);
        }
        AtomicReference<Metadata> head = new AtomicReference<>();
        AtomicReference<Metadata> trailers = new AtomicReference<>();
        ClientInterceptor capture = MetadataUtils.newCaptureMetadataInterceptor(head, trailers);
        InferenceGrpc.newBlockingStub(fixture.client.channel())
                .withInterceptors(capture, MetadataUtils.newAttachHeadersInterceptor(metadata))
                .tokenize(TokenizeRequest.newBuilder().setText("abc").build());
        return String.valueOf(head.get().get(REQUEST_ID));
    }

    @Test
    void tellsTheRequestsId() {
        assertThat(requestId("mine-1")).isEqualTo("mine-1");
        assertThat(requestId("")).hasSize(36);
        assertThat(requestId("x".repeat(129))).hasSize(36);
        assertThat(requestId("a b\"c")).hasSize(36);
    }

    /** Also where the call is refused, so that its client can name it. */
    @Test
    void tellsTheIdOfARefusedCall() throws Exception {
        fixture.server.beginShutdown();
        Metadata metadata = new Metadata();
        metadata.put(REQUEST_ID, "refused-1");
        AtomicReference<Metadata> trailers = new AtomicReference<>();
        ClientCall<GenerateRequest, GenerationResponse> call = MetadataUtils.newAttachHeadersInterceptor(metadata)
                .interceptCall(InferenceGrpc.getGenerateMethod(), CallOptions.DEFAULT, fixture.client.channel());
        call.start(
                new ClientCall.Listener<>() {
                    @Override
                    public void onClose(Status status, Metadata end) {
                        trailers.set(end);
                    }
                },
                new Metadata());
        call.sendMessage(GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(9)));
        call.halfClose();
        call.request(1);
        ServerFixture.await("the refusal", () -> trailers.get() != null);
        assertThat(trailers.get().get(REQUEST_ID)).isEqualTo("refused-1");
        ServerFixture.await("its count", () -> {
            try {
                return handled("Generate", "Unavailable") == 1;
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
    }
}
