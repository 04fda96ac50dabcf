package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.util.ReferenceCountUtil;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Requests as streams of one HTTP/2 connection. */
@Timeout(60)
class Http2StreamsTest {
    private static final String COMPLETIONS = "/v1/completions";
    private static final String STREAM = "{\"prompt\":\"hi\",\"max_tokens\":90000,\"stream\":true}";
    private static final String WHOLE = "{\"prompt\":\"hi\",\"max_tokens\":90000}";
    private static final int LARGE = 1 << 30;

    @Test
    void aClientThatKnowsTheProtocolIsAnswered() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            client.get(1, "/health");
            RawHttp2.Answer health = client.await(1);
            assertThat(health.status()).isEqualTo(200);
            assertThat(health.body).hasToString("{\"status\":\"ok\"}");
            assertThat(health.header("x-request-id")).isNotEmpty();
            assertThat(health.header("connection")).isNull();

            client.get(3, "/nowhere");
            assertThat(client.await(3).status()).isEqualTo(404);

            client.frame(
                    RawHttp2.HEADERS, RawHttp2.END_HEADERS | RawHttp2.END_STREAM, 5, RawHttp2.head("HEAD", "/health"));
            assertThat(client.await(5).status()).isEqualTo(200);
            assertThat(client.answer(5).body).isEmpty();
        }
    }

    @Test
    void manyStreamsShareAConnection() throws Exception {
        int streams = 200;
        try (ServerFixture fixture = new ServerFixture();
                RawHttp2 client = RawHttp2.connect(fixture.server, LARGE)) {
            client.window(0, LARGE);
            for (int i = 0; i < streams; i++) {
                client.post(2 * i + 1, COMPLETIONS, STREAM.replace("hi", "prompt " + i));
            }
            List<ManualEngine.Work> works = new ArrayList<>();
            for (int i = 0; i < streams; i++) {
                works.add(fixture.engine.next());
            }
            for (int round = 0; round < 3; round++) {
                for (ManualEngine.Work work : works) {
                    work.emit(promptOf(work).substring("prompt ".length()) + ";");
                }
            }
            works.forEach(fixture.engine::finish);

            for (int i = 0; i < streams; i++) {
                String text = textOf(client.await(2 * i + 1));
                assertThat(text).isEqualTo((i + ";").repeat(3));
            }
        }
    }

    /** One stream's window is used up: its tokens are held and joined, the other streams flow. */
    @Test
    void aSlowReaderHoldsBackOnlyItsOwnStream() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawHttp2 client = RawHttp2.connect(fixture.server, 2000)) {
            client.window(0, LARGE);
            client.post(1, COMPLETIONS, STREAM);
            ManualEngine.Work slow = fixture.engine.next();
            client.post(3, COMPLETIONS, STREAM);
            client.window(3, LARGE);
            ManualEngine.Work quick = fixture.engine.next();
            for (int i = 0; i < 3000; i++) {
                slow.emit("0123456789");
                quick.emit("x");
            }
            fixture.engine.finish(quick);
            assertThat(textOf(client.await(3))).isEqualTo("x".repeat(3000));
            assertThat(client.answer(1).body.length()).isLessThanOrEqualTo(2000);

            fixture.engine.finish(slow);
            client.window(1, LARGE);
            assertThat(textOf(client.await(1))).isEqualTo("0123456789".repeat(3000));
            // Joined: the server did not keep a chunk for each token.
            assertThat(client.answer(1).body.length()).isLessThan(3000 * 100);
        }
    }

    @Test
    void aStreamThatIsTooFarBehindIsReset() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.maxPendingBytes(50_000));
                RawHttp2 client = RawHttp2.connect(fixture.server, 2000)) {
            client.post(1, COMPLETIONS, STREAM);
            ManualEngine.Work work = fixture.engine.next();
            work.emit("x".repeat(20_000));
            while (client.answer(1).body.length() < 2000) {
                client.read();
            }
            // The rest of the first chunk fills what the server writes ahead, so that this piles up.
            work.emit("x".repeat(60_000));

            assertThat(client.await(1).reset).isEqualTo(RawHttp2.CANCEL);
            assertThat(fixture.engine.aborted()).containsExactly(work.request.id());
            client.get(3, "/health");
            assertThat(client.await(3).status()).isEqualTo(200);
        }
    }

    @Test
    void aStreamOfWhichNothingIsReadIsReset() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.stallTimeout(Duration.ofMillis(200)));
                RawHttp2 client = RawHttp2.connect(fixture.server, 100)) {
            client.post(1, COMPLETIONS, STREAM);
            ManualEngine.Work work = fixture.engine.next();
            work.emit("x".repeat(100_000));
            assertThat(client.await(1).reset).isEqualTo(RawHttp2.CANCEL);
            ServerFixture.await(
                    "the request is aborted", () -> fixture.engine.aborted().contains(work.request.id()));

            // A whole answer is given up as well: its end would wait for ever.
            client.get(3, "/metrics");
            assertThat(client.await(3).reset).isEqualTo(RawHttp2.CANCEL);
            client.get(5, "/health");
            assertThat(client.await(5).status()).isEqualTo(200);
        }
    }

    @Test
    void aResetAbortsTheRequest() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            client.post(1, COMPLETIONS, STREAM);
            ManualEngine.Work stream = fixture.engine.next();
            client.post(3, COMPLETIONS, WHOLE);
            ManualEngine.Work whole = fixture.engine.next();
            client.reset(1);
            client.reset(3);

            ServerFixture.await(
                    "both are aborted", () -> fixture.engine.aborted().size() == 2);
            assertThat(fixture.engine.aborted()).containsExactlyInAnyOrder(stream.request.id(), whole.request.id());
        }
    }

    @Test
    void theEndOfTheConnectionAbortsAllItsRequests() throws Exception {
        try (ServerFixture fixture = new ServerFixture()) {
            try (RawHttp2 client = RawHttp2.connect(fixture.server)) {
                for (int i = 0; i < 5; i++) {
                    client.post(2 * i + 1, COMPLETIONS, STREAM);
                    fixture.engine.next();
                }
                client.socket.shutdownOutput();
                ServerFixture.await(
                        "all are aborted", () -> fixture.engine.aborted().size() == 5);
            }
        }
    }

    @Test
    void streamsBeyondTheLimitAreRefused() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.h2MaxConcurrentStreams(2));
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            client.post(1, COMPLETIONS, WHOLE);
            ManualEngine.Work first = fixture.engine.next();
            client.post(3, COMPLETIONS, WHOLE);
            fixture.engine.next();
            // The client has not acknowledged the server's settings, which changes nothing.
            client.get(5, "/health");
            assertThat(client.await(5).reset).isEqualTo(RawHttp2.REFUSED_STREAM);

            fixture.engine.finish(first);
            client.await(1);
            client.get(7, "/health");
            assertThat(client.await(7).status()).isEqualTo(200);
        }
    }

    @Test
    void headsAreCheckedAsThoseOfHttp1() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            assertThat(status(client, 1, ":authority", "evil.example")).isEqualTo(403);
            assertThat(status(client, 3, ":authority", "localhost", "host", "127.0.0.1"))
                    .isEqualTo(400);
            assertThat(status(client, 5, "host", "localhost")).isEqualTo(200);
            assertThat(status(client, 7, "host", "evil.example")).isEqualTo(403);
            assertThat(status(client, 9)).isEqualTo(400);
            assertThat(status(client, 11, ":authority", "localhost", "x-long", "x".repeat(16 << 10)))
                    .isEqualTo(431);
            assertThat(status(client, 13, ":authority", "localhost:8000")).isEqualTo(200);
        }
    }

    private static int status(RawHttp2 client, int stream, String... fields) throws Exception {
        byte[] start = RawHttp2.fields(":method", "GET", ":scheme", "http", ":path", "/health");
        byte[] rest = RawHttp2.fields(fields);
        byte[] head = new byte[start.length + rest.length];
        System.arraycopy(start, 0, head, 0, start.length);
        System.arraycopy(rest, 0, head, start.length, rest.length);
        int most = 16 << 10;
        if (head.length <= most) {
            client.frame(RawHttp2.HEADERS, RawHttp2.END_HEADERS | RawHttp2.END_STREAM, stream, head);
        } else {
            client.frame(RawHttp2.HEADERS, RawHttp2.END_STREAM, stream, Arrays.copyOf(head, most));
            client.frame(
                    RawHttp2.CONTINUATION, RawHttp2.END_HEADERS, stream, Arrays.copyOfRange(head, most, head.length));
        }
        RawHttp2.Answer answer = client.await(stream);
        return answer.status();
    }

    @Test
    void aBodyThatIsTooLargeIsRefusedAndNotWaitedFor() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.maxBodyBytes(10_000));
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            client.frame(
                    RawHttp2.HEADERS,
                    RawHttp2.END_HEADERS,
                    1,
                    RawHttp2.head("POST", COMPLETIONS, "content-type", "application/json"));
            client.frame(RawHttp2.DATA, 0, 1, new byte[10_001]);
            RawHttp2.Answer answer = client.await(1);
            assertThat(answer.status()).isEqualTo(413);
            assertThat(answer.body).contains("request_too_large");
            assertThat(client.awaitFrame(RawHttp2.RST_STREAM).error()).isZero();

            client.frame(
                    RawHttp2.HEADERS,
                    RawHttp2.END_HEADERS,
                    3,
                    RawHttp2.head("POST", COMPLETIONS, "content-type", "application/json", "content-length", "10001"));
            assertThat(client.await(3).status()).isEqualTo(413);
        }
    }

    @Test
    void aRequestThatIsNotSentInTimeIsRefused() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.readTimeout(Duration.ofMillis(100)));
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            client.frame(
                    RawHttp2.HEADERS,
                    RawHttp2.END_HEADERS,
                    1,
                    RawHttp2.head("POST", COMPLETIONS, "content-type", "application/json"));
            assertThat(client.await(1).status()).isEqualTo(408);
        }
    }

    @Test
    void aConnectionWithoutStreamsIsClosed() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.idleTimeout(Duration.ofMillis(200)));
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            client.get(1, "/health");
            client.await(1);
            client.awaitEnd();
            assertThat(client.goAway).isZero();
        }
    }

    @Test
    void aPrefaceThatIsNotFinishedIsNotWaitedFor() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.readTimeout(Duration.ofMillis(100)));
                RawClient client = fixture.connect()) {
            assertThat(client.send("PRI * HT").readAll()).isEmpty();
        }
    }

    @Test
    void aStopLetsStreamsEndAndTellsTheClient() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            client.post(1, COMPLETIONS, STREAM);
            ManualEngine.Work work = fixture.engine.next();
            fixture.server.beginShutdown();
            RawHttp2.Frame first = client.awaitFrame(RawHttp2.GOAWAY);
            assertThat(first.error()).isZero();

            // What the client has sent before it heard of it is answered.
            client.post(3, COMPLETIONS, WHOLE);
            assertThat(client.await(3).status()).isEqualTo(503);
            client.get(5, "/ready");
            assertThat(client.await(5).status()).isEqualTo(503);
            work.emit("all of it");
            fixture.engine.finish(work);
            assertThat(textOf(client.await(1))).isEqualTo("all of it");
            client.awaitEnd();
            assertThat(fixture.server.drained()).isDone();
        }
    }

    @Test
    void grpcWithoutItsHandlerIsRefused() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            client.frame(
                    RawHttp2.HEADERS,
                    RawHttp2.END_HEADERS,
                    1,
                    RawHttp2.head("POST", "/apus.v1.Any/Thing", "content-type", "application/grpc"));
            assertThat(client.await(1).status()).isEqualTo(415);
        }
    }

    @Test
    void grpcGoesToItsHandler() throws Exception {
        try (ServerFixture fixture = new ServerFixture(GrpcEcho::new);
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            client.frame(
                    RawHttp2.HEADERS,
                    RawHttp2.END_HEADERS | RawHttp2.END_STREAM,
                    1,
                    RawHttp2.head("POST", "/apus.v1.Any/Thing", "content-type", "application/grpc+proto"));
            RawHttp2.Answer answer = client.await(1);
            assertThat(answer.header("grpc-status")).isEqualTo("0");
            assertThat(answer.header("echo")).isEqualTo("/apus.v1.Any/Thing");
            client.get(3, "/health");
            assertThat(client.await(3).status()).isEqualTo(200);
        }
    }

    /** Answers a call with its path. */
    // A failed write ends the stream, and the test.
    @SuppressWarnings("FutureReturnValueIgnored")
    private static final class GrpcEcho extends ChannelInboundHandlerAdapter {
        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            if (message instanceof Http2HeadersFrame head) {
                context.writeAndFlush(new DefaultHttp2HeadersFrame(
                        new DefaultHttp2Headers()
                                .status("200")
                                .add("grpc-status", "0")
                                .add("echo", head.headers().path()),
                        true));
            }
            ReferenceCountUtil.release(message);
        }
    }

    private static String promptOf(ManualEngine.Work work) {
        StringBuilder text = new StringBuilder();
        for (int id : work.request.prompt()) {
            text.append((char) id);
        }
        return text.toString();
    }

    /** The text of all events of a stream that must be whole. */
    private static String textOf(RawHttp2.Answer answer) {
        assertThat(Map.of("status", answer.status(), "reset", answer.reset))
                .isEqualTo(Map.of("status", 200, "reset", -1));
        assertThat(answer.body.toString()).endsWith("data: [DONE]\n\n");
        StringBuilder text = new StringBuilder();
        answer.body
                .toString()
                .lines()
                .filter(line -> line.contains("\"text\":\""))
                .forEach(line -> {
                    int from = line.indexOf("\"text\":\"") + 8;
                    text.append(line, from, line.indexOf('"', from));
                });
        return text.toString();
    }
}
