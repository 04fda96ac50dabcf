package dev.apus.server.grpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.apus.proto.v1.Choice;
import dev.apus.proto.v1.DetokenizeRequest;
import dev.apus.proto.v1.DetokenizeResponse;
import dev.apus.proto.v1.GenerateRequest;
import dev.apus.proto.v1.GenerationResponse;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.TokenizeRequest;
import dev.apus.proto.v1.TokenizeResponse;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** grpc-java's service layer over the bridge, with grpc-java's own client on the other side. */
@Timeout(60)
class GrpcBridgeTest {
    private static final Context.Key<String> CALLER = Context.key("caller");
    private static final Metadata.Key<String> NAME = Metadata.Key.of("x-name", Metadata.ASCII_STRING_MARSHALLER);
    private static final Metadata.Key<byte[]> BLOB = Metadata.Key.of("x-blob-bin", Metadata.BINARY_BYTE_MARSHALLER);

    private final Echo echo = new Echo();
    private final BridgeFixture fixture = new BridgeFixture(
            echo.bindService(),
            List.of(new Caller()),
            new GrpcServer.Limits(BridgeFixture.MOST_BYTES, Duration.ofSeconds(30), Duration.ofSeconds(30)));
    private final InferenceGrpc.InferenceBlockingStub client = InferenceGrpc.newBlockingStub(fixture.channel);

    @AfterEach
    void close() {
        fixture.close();
    }

    /** Puts the caller's name into the context and echoes a blob. */
    private static final class Caller implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            String name = headers.get(NAME);
            return Contexts.interceptCall(
                    Context.current().withValue(CALLER, name == null ? "nobody" : name), call, headers, next);
        }
    }

    /** Answers as the request's text says. */
    private static final class Echo extends InferenceGrpc.InferenceImplBase {
        final BlockingQueue<String> cancelled = new ArrayBlockingQueue<>(8);
        final AtomicReference<ServerCallStreamObserver<GenerationResponse>> stream = new AtomicReference<>();
        final CountDownLatch streaming = new CountDownLatch(1);
        final Semaphore ready = new Semaphore(0);

        @Override
        public void tokenize(TokenizeRequest request, StreamObserver<TokenizeResponse> answer) {
            answer.onNext(TokenizeResponse.newBuilder()
                    .addTokenStrs(request.getText())
                    .addTokenStrs(String.valueOf(CALLER.get()))
                    .build());
            answer.onCompleted();
        }

        @Override
        public void detokenize(DetokenizeRequest request, StreamObserver<DetokenizeResponse> answer) {
            switch (request.getModel()) {
                case "fail" -> {
                    Metadata trailers = new Metadata();
                    trailers.put(BLOB, new byte[] {1, -1, 0});
                    answer.onError(Status.FAILED_PRECONDITION
                            .withDescription("100 % wrong: ä\n")
                            .asRuntimeException(trailers));
                }
                case "throw" -> throw new IllegalStateException("a fault of the service");
                case "error" -> throw new AssertionError("a fault of the service");
                case "link" -> throw new NoClassDefFoundError("a fault of the service");
                default ->
                    ((ServerCallStreamObserver<DetokenizeResponse>) answer)
                            .setOnCancelHandler(() -> cancelled.add(request.getModel()));
            }
        }

        @Override
        public void generateStream(GenerateRequest request, StreamObserver<GenerationResponse> answer) {
            ServerCallStreamObserver<GenerationResponse> call = (ServerCallStreamObserver<GenerationResponse>) answer;
            if (request.getText().equals("count")) {
                for (int i = 0; i < 1000; i++) {
                    call.onNext(response(i, "t" + i));
                }
                call.onCompleted();
            } else {
                call.setOnCancelHandler(() -> cancelled.add("stream"));
                call.setOnReadyHandler(ready::release);
                stream.set(call);
                streaming.countDown();
            }
        }
    }

    static GenerationResponse response(int index, String text) {
        return GenerationResponse.newBuilder()
                .addChoices(Choice.newBuilder().setIndex(index).setText(text))
                .build();
    }

    private static TokenizeRequest text(String text) {
        return TokenizeRequest.newBuilder().setText(text).build();
    }

    private static DetokenizeRequest model(String name) {
        return DetokenizeRequest.newBuilder().setModel(name).build();
    }

    @Test
    void aUnaryCallIsAnsweredWithTheContextOfItsInterceptor() throws Exception {
        Metadata metadata = new Metadata();
        metadata.put(NAME, "Ada");
        TokenizeResponse answer = client.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata))
                .tokenize(text("héllo"));

        assertThat(answer.getTokenStrsList()).containsExactly("héllo", "Ada");
        fixture.awaitNothingHeld();
    }

    @Test
    void aStreamComesWholeAndInOrder() {
        Iterator<GenerationResponse> stream = client.generateStream(
                GenerateRequest.newBuilder().setText("count").build());

        for (int i = 0; i < 1000; i++) {
            assertThat(stream.next().getChoices(0).getText()).isEqualTo("t" + i);
        }
        assertThat(stream.hasNext()).isFalse();
    }

    @Test
    void aServicesErrorArrivesWithItsMessageAndTrailers() {
        StatusRuntimeException error =
                catchThrowableOfType(StatusRuntimeException.class, () -> client.detokenize(model("fail")));

        assertThat(error.getStatus().getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        assertThat(error.getStatus().getDescription()).isEqualTo("100 % wrong: ä\n");
        Metadata trailers = error.getTrailers();
        assertThat(trailers == null ? null : trailers.get(BLOB)).containsExactly(1, -1, 0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"throw", "error", "link"})
    void aServicesFaultIsInternalAndKeepsItsSecret(String kind) {
        StatusRuntimeException error = catchThrowableOfType(
                StatusRuntimeException.class,
                () -> client.withDeadlineAfter(10, TimeUnit.SECONDS).detokenize(model(kind)));

        assertThat(error.getStatus().getCode()).isIn(Status.Code.INTERNAL, Status.Code.UNKNOWN);
        assertThat(error.getStatus().toString()).doesNotContain("a fault of the service");
    }

    @Test
    void aMethodThatDoesNotExistIsUnimplemented() {
        StatusRuntimeException error = catchThrowableOfType(
                StatusRuntimeException.class,
                () -> dev.apus.proto.vllm.VllmEngineGrpc.newBlockingStub(fixture.channel)
                        .healthCheck(dev.apus.proto.vllm.HealthCheckRequest.getDefaultInstance()));

        assertThat(error.getStatus().getCode()).isEqualTo(Status.Code.UNIMPLEMENTED);
        assertThat(error.getStatus().getDescription()).contains("vllm.grpc.engine.VllmEngine/HealthCheck");
    }

    @Test
    void aMethodThatTheServiceLeavesOutIsUnimplemented() {
        StatusRuntimeException error = catchThrowableOfType(
                StatusRuntimeException.class,
                () -> client.getLoads(dev.apus.proto.v1.GetLoadsRequest.getDefaultInstance()));

        assertThat(error.getStatus().getCode()).isEqualTo(Status.Code.UNIMPLEMENTED);
    }

    @Test
    void aDeadlineEndsTheCallOnBothSides() throws Exception {
        StatusRuntimeException error = catchThrowableOfType(
                StatusRuntimeException.class,
                () -> client.withDeadlineAfter(100, TimeUnit.MILLISECONDS).detokenize(model("waits")));

        assertThat(error.getStatus().getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
        assertThat(echo.cancelled.poll(10, TimeUnit.SECONDS)).isEqualTo("waits");
    }

    @Test
    void aClientThatCancelsCancelsTheService() throws Exception {
        Context.CancellableContext context = Context.current().withCancellation();
        context.run(() -> client.generateStream(
                GenerateRequest.newBuilder().setText("wait").build()));
        assertThat(echo.streaming.await(10, TimeUnit.SECONDS)).isTrue();
        context.cancel(null);

        assertThat(echo.cancelled.poll(10, TimeUnit.SECONDS)).isEqualTo("stream");
    }

    @Test
    void aClientThatGoesCancelsTheService() throws Exception {
        client.generateStream(GenerateRequest.newBuilder().setText("wait").build());
        assertThat(echo.streaming.await(10, TimeUnit.SECONDS)).isTrue();
        fixture.channel.shutdownNow();

        assertThat(echo.cancelled.poll(10, TimeUnit.SECONDS)).isEqualTo("stream");
    }

    @Test
    void aMessageThatIsTooLongIsRefusedByName() {
        StatusRuntimeException error = catchThrowableOfType(
                StatusRuntimeException.class, () -> client.tokenize(text("x".repeat(BridgeFixture.MOST_BYTES))));

        assertThat(error.getStatus().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
        assertThat(error.getStatus().getDescription()).contains("at most 100000");
        assertThat(client.tokenize(text("short")).getTokenStrs(0)).isEqualTo("short");
    }

    @Test
    void whatAClientCompressesIsAnsweredCompressed() {
        String longText = "compressible ".repeat(5000);

        assertThat(client.withCompression("gzip").tokenize(text(longText)).getTokenStrs(0))
                .isEqualTo(longText);
        assertThat(client.withCompression("gzip").tokenize(text("short")).getTokenStrs(0))
                .isEqualTo("short");
    }

    @Test
    void aMessageThatIsTooLongWhenUnpackedIsRefused() throws Exception {
        StatusRuntimeException error = catchThrowableOfType(
                StatusRuntimeException.class,
                () -> client.withCompression("gzip").tokenize(text("x".repeat(10_000_000))));

        assertThat(error.getStatus().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
        fixture.awaitNothingHeld();
    }

    /** A stream that nobody reads is not ready; others on the same connection flow, and it goes on when it is read. */
    @Test
    void aSlowReaderHoldsBackOnlyItself() throws Exception {
        SlowReader reader = new SlowReader();
        InferenceGrpc.newStub(fixture.channel)
                .generateStream(GenerateRequest.newBuilder().setText("wait").build(), reader);
        assertThat(echo.streaming.await(10, TimeUnit.SECONDS)).isTrue();
        ServerCallStreamObserver<GenerationResponse> slow = echo.stream.get();
        int sent = 0;
        while (slow.isReady()) {
            slow.onNext(response(sent++, "x".repeat(10_000)));
            assertThat(sent).as("messages before the stream is full").isLessThan(10_000);
            assertThat(client.tokenize(text("between")).getTokenStrs(0)).isEqualTo("between");
        }
        echo.ready.drainPermits();
        reader.call.request(Integer.MAX_VALUE);

        assertThat(echo.ready.tryAcquire(10, TimeUnit.SECONDS))
                .as("ready again")
                .isTrue();
        slow.onCompleted();
        assertThat(reader.done.await(10, TimeUnit.SECONDS)).isTrue();
        assertThat(reader.messages).hasValue(sent);
    }

    @Test
    void aClientThatReadsNothingForTooLongIsCutOff() throws Exception {
        try (BridgeFixture impatient = new BridgeFixture(
                echo.bindService(),
                List.of(),
                new GrpcServer.Limits(BridgeFixture.MOST_BYTES, Duration.ofSeconds(30), Duration.ofMillis(100)))) {
            SlowReader reader = new SlowReader();
            InferenceGrpc.newStub(impatient.channel)
                    .generateStream(GenerateRequest.newBuilder().setText("wait").build(), reader);
            assertThat(echo.streaming.await(10, TimeUnit.SECONDS)).isTrue();
            while (echo.stream.get().isReady()) {
                echo.stream.get().onNext(response(0, "x".repeat(10_000)));
            }

            assertThat(echo.cancelled.poll(10, TimeUnit.SECONDS)).isEqualTo("stream");
            // What the client's own library holds is released when it is read.
            reader.call.request(Integer.MAX_VALUE);
            assertThat(reader.done.await(10, TimeUnit.SECONDS)).isTrue();
            assertThat(reader.error).extracting(Status::getCode).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
        }
    }

    /** Takes no message before it is told to. */
    private static final class SlowReader implements ClientResponseObserver<GenerateRequest, GenerationResponse> {
        final AtomicInteger messages = new AtomicInteger();
        final CountDownLatch done = new CountDownLatch(1);
        volatile @Nullable Status error;

        @SuppressWarnings("NullAway.Init") // set before the call starts
        volatile ClientCallStreamObserver<GenerateRequest> call;

        @Override
        public void beforeStart(ClientCallStreamObserver<GenerateRequest> started) {
            call = started;
            started.disableAutoRequestWithInitial(0);
        }

        @Override
        public void onNext(GenerationResponse value) {
            messages.incrementAndGet();
        }

        @Override
        public void onError(Throwable cause) {
            error = Status.fromThrowable(cause);
            done.countDown();
        }

        @Override
        public void onCompleted() {
            done.countDown();
        }
    }
}
