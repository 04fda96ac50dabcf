package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.proto.v1.GenerateRequest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Answers that have ended and whose client does not read them, or reads them slowly. */
@Timeout(60)
class GrpcStallTest {
    private static final String GENERATE = "/apus.v1.Inference/Generate";

    private static ManualEngine.Work generate(GrpcFixture fixture, RawHttp2 client) throws Exception {
        GenerateRequest request = GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(900_000));
        byte[] bytes = request.toByteArray();
        client.frame(
                RawHttp2.HEADERS,
                RawHttp2.END_HEADERS,
                1,
                RawHttp2.head("POST", GENERATE, "content-type", "application/grpc", "te", "trailers"));
        client.frame(
                RawHttp2.DATA,
                RawHttp2.END_STREAM,
                1,
                ByteBuffer.allocate(5 + bytes.length)
                        .put((byte) 0)
                        .putInt(bytes.length)
                        .put(bytes)
                        .array());
        return fixture.engine.next();
    }

    /** Short or long, an answer that nobody reads is given up, and a stop does not wait for it. */
    @Test
    void anAnswerThatHasEndedAndIsNotReadIsGivenUp() throws Exception {
        for (int length : new int[] {3, 100_000}) {
            try (GrpcFixture fixture = new GrpcFixture(options -> options.stallTimeout(Duration.ofMillis(300)));
                    RawHttp2 client = RawHttp2.connect(fixture.server, 0)) {
                ManualEngine.Work work = generate(fixture, client);
                work.emit("x".repeat(length));
                fixture.engine.finish(work);
                assertThat(client.await(1).reset).isEqualTo(RawHttp2.ENHANCE_YOUR_CALM);
                fixture.server.beginShutdown();
                ServerFixture.await("the drain", () -> fixture.server.drained().isDone());
                fixture.awaitNoMemoryTaken();
            }
        }
    }

    /** The time is for any progress, not for the whole message. */
    @Test
    void anAnswerThatIsReadSlowlyArrives() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture(options -> options.stallTimeout(Duration.ofSeconds(2)));
                RawHttp2 client = RawHttp2.connect(fixture.server, 0)) {
            ManualEngine.Work work = generate(fixture, client);
            int length = 100_000;
            work.emit("x".repeat(length));
            fixture.engine.finish(work);
            long begun = System.nanoTime();
            client.window(0, 1 << 20);
            Thread reader = Thread.ofPlatform().name("grant").start(() -> grant(client, length));
            RawHttp2.Answer answer = client.await(1);
            reader.join();
            assertThat(answer.reset).isEqualTo(-1);
            assertThat(answer.header("grpc-status")).isEqualTo("0");
            assertThat(answer.body.length()).isGreaterThan(length);
            assertThat(Duration.ofNanos(System.nanoTime() - begun)).isGreaterThan(Duration.ofMillis(2050));
        }
    }

    /** An eighth of the answer every 300 ms. */
    private static void grant(RawHttp2 client, int length) {
        try {
            for (int i = 0; i < 10; i++) {
                Thread.sleep(300);
                client.window(1, length / 8);
            }
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
