package dev.apus.server.grpc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.TokenizeRequest;
import dev.apus.proto.v1.TokenizeResponse;
import io.grpc.ServerInterceptor;
import io.grpc.stub.StreamObserver;
import io.netty.handler.codec.http2.Http2Headers;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Streams that a grpc client would not send. */
@Timeout(60)
class GrpcFramesTest {
    private static final String TOKENIZE = "/apus.v1.Inference/Tokenize";
    private static final String OK = "0";
    private static final String CANCELLED = "1";
    private static final String INVALID_ARGUMENT = "3";
    private static final String DEADLINE_EXCEEDED = "4";
    private static final String RESOURCE_EXHAUSTED = "8";
    private static final String UNIMPLEMENTED = "12";
    private static final String INTERNAL = "13";

    private static final class Echo extends InferenceGrpc.InferenceImplBase {
        @Override
        public void tokenize(TokenizeRequest request, StreamObserver<TokenizeResponse> answer) {
            if (!request.getText().equals("wait")) {
                answer.onNext(TokenizeResponse.newBuilder()
                        .addTokenStrs(request.getText())
                        .build());
                answer.onCompleted();
            }
        }
    }

    private final BridgeFixture fixture = new BridgeFixture(
            new Echo().bindService(),
            List.<ServerInterceptor>of(),
            new GrpcServer.Limits(BridgeFixture.MOST_BYTES, Duration.ofMillis(500), Duration.ofSeconds(30)));

    @AfterEach
    void close() {
        fixture.close();
    }

    private static byte[] message(int flag, long claimed, byte[] bytes) {
        return ByteBuffer.allocate(5 + bytes.length)
                .put((byte) flag)
                .putInt((int) claimed)
                .put(bytes)
                .array();
    }

    private static byte[] text(String text) {
        return TokenizeRequest.newBuilder().setText(text).build().toByteArray();
    }

    private static String status(Http2Headers trailers) {
        return String.valueOf(trailers.get("grpc-status"));
    }

    /** The status of a call with this body. */
    private String answer(byte[] body) throws InterruptedException {
        try (RawStream stream = fixture.raw()) {
            stream.send(RawStream.head(TOKENIZE)).send(body, true);
            Http2Headers first = stream.next();
            return first.contains("grpc-status") ? status(first) : status(stream.next());
        }
    }

    @Test
    void aMessageMayComeByteByByte() throws Exception {
        byte[] body = message(0, text("hello").length, text("hello"));
        try (RawStream stream = fixture.raw()) {
            stream.send(RawStream.head(TOKENIZE));
            for (int i = 0; i < body.length; i++) {
                stream.send(new byte[] {body[i]}, i == body.length - 1);
            }
            assertThat(stream.next().status()).hasToString("200");
            assertThat(status(stream.next())).isEqualTo(OK);
        }
    }

    @Test
    void wrongFramesAreRefused() throws Exception {
        byte[] good = text("hello");
        assertThat(answer(message(0, good.length, good))).isEqualTo(OK);
        assertThat(answer(message(2, good.length, good))).as("flag").isEqualTo(INTERNAL);
        assertThat(answer(message(1, good.length, good))).as("no encoding").isEqualTo(INTERNAL);
        assertThat(answer(message(0, good.length + 1, good))).as("too short").isEqualTo(INTERNAL);
        assertThat(answer(message(0, 0xffffffffL, good))).as("4 GiB").isEqualTo(RESOURCE_EXHAUSTED);
        assertThat(answer(new byte[] {0, 0})).as("half a head").isEqualTo(INTERNAL);
        assertThat(answer(new byte[0])).as("no message").isEqualTo(INTERNAL);
        fixture.awaitNothingHeld();
    }

    @Test
    void whatIsNoProtobufIsRefused() throws Exception {
        byte[] noise = new byte[200];
        new Random(7).nextBytes(noise);

        assertThat(answer(message(0, noise.length, noise))).isNotEqualTo(OK);
        // A field that claims 2 GiB.
        byte[] claims = {0x12, -1, -1, -1, -1, 7};
        assertThat(answer(message(0, claims.length, claims))).isNotEqualTo(OK);
        assertThat(answer(message(0, text("x").length, text("x")))).isEqualTo(OK);
    }

    @Test
    void whatIsNoGzipIsRefused() throws Exception {
        byte[] good = text("hello");
        try (RawStream stream = fixture.raw()) {
            stream.send(RawStream.head(TOKENIZE).add("grpc-encoding", "gzip"))
                    .send(message(1, good.length, good), true);
            assertThat(status(stream.next())).isEqualTo(INTERNAL);
        }
    }

    @Test
    void anEncodingThatIsNotKnownIsUnimplemented() throws Exception {
        try (RawStream stream = fixture.raw()) {
            stream.send(RawStream.head(TOKENIZE).add("grpc-encoding", "snappy"));
            Http2Headers answer = stream.next();
            assertThat(status(answer)).isEqualTo(UNIMPLEMENTED);
            assertThat(answer.get("grpc-message")).asString().contains("snappy");
            assertThat(stream.reset()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "1", "S", "123456789S", "-1S", "1 S", "1s"})
    void aWrongTimeoutIsRefused(String timeout) throws Exception {
        try (RawStream stream = fixture.raw()) {
            stream.send(RawStream.head(TOKENIZE).add("grpc-timeout", timeout));
            assertThat(status(stream.next())).isEqualTo(INVALID_ARGUMENT);
        }
    }

    @Test
    void binaryMetadataMustBeBase64() throws Exception {
        try (RawStream stream = fixture.raw()) {
            stream.send(RawStream.head(TOKENIZE).add("x-bin", "!"));
            assertThat(status(stream.next())).isEqualTo(INVALID_ARGUMENT);
        }
    }

    @Test
    void theServerEndsACallAtItsDeadline() throws Exception {
        byte[] wait = text("wait");
        try (RawStream stream = fixture.raw()) {
            stream.send(RawStream.head(TOKENIZE).add("grpc-timeout", "50m")).send(message(0, wait.length, wait), true);
            assertThat(status(stream.next())).isEqualTo(DEADLINE_EXCEEDED);
        }
    }

    @Test
    void aRequestThatIsNeverSentIsGivenUp() throws Exception {
        try (RawStream stream = fixture.raw()) {
            stream.send(RawStream.head(TOKENIZE)).send(new byte[] {0, 0, 0}, false);
            assertThat(status(stream.next())).isEqualTo(CANCELLED);
            assertThat(stream.reset()).isZero();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "POST, application/grpc-web, 415",
        "POST, application/json, 415",
        "POST, application/grpcx, 415",
        "GET, application/grpc, 405"
    })
    void whatIsNoCallGetsAnHttpStatus(String method, String type, String status) throws Exception {
        try (RawStream stream = fixture.raw()) {
            stream.send(RawStream.head(TOKENIZE).method(method).set("content-type", type));
            assertThat(stream.next().status()).hasToString(status);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"application/grpc+proto", "application/grpc;charset=utf-8", "Application/GRPC"})
    void contentTypesOfGrpcAreTaken(String type) throws Exception {
        byte[] good = text("hello");
        try (RawStream stream = fixture.raw()) {
            stream.send(RawStream.head(TOKENIZE).set("content-type", type)).send(message(0, good.length, good), true);
            assertThat(stream.next().status()).hasToString("200");
            assertThat(status(stream.next())).isEqualTo(OK);
        }
    }
}
