package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.slf4j.LoggerFactory;

/** HTTP/2 frames as attackers and broken clients send them: a server stays up, answers others, and finds no fault in itself. */
@Timeout(60)
class Http2HostileTest {
    private final ServerFixture fixture = new ServerFixture(options -> options.maxBodyBytes(100_000));
    private final ListAppender<ILoggingEvent> log = new ListAppender<>();

    @BeforeEach
    void listen() {
        log.start();
        ((Logger) LoggerFactory.getLogger("dev.apus.server")).addAppender(log);
    }

    @AfterEach
    void close() throws IOException {
        try (RawHttp2 other = RawHttp2.connect(fixture.server)) {
            other.get(1, "/health");
            assertThat(other.await(1).status()).isEqualTo(200);
        }
        fixture.close();
        ((Logger) LoggerFactory.getLogger("dev.apus.server")).detachAppender(log);
        assertThat(List.copyOf(log.list).stream()
                        .filter(event -> event.getLevel().isGreaterOrEqual(Level.ERROR)))
                .isEmpty();
    }

    /** CVE-2023-44487. */
    @Test
    void aStormOfResetsEndsTheConnection() throws Exception {
        try (RawHttp2 client = RawHttp2.connect(fixture.server)) {
            byte[] head = RawHttp2.head("GET", "/version");
            byte[] cancel = ByteBuffer.allocate(4).putInt(RawHttp2.CANCEL).array();
            ByteArrayOutputStream storm = new ByteArrayOutputStream();
            for (int stream = 1; stream < 4000; stream += 2) {
                storm.writeBytes(
                        RawHttp2.bytes(RawHttp2.HEADERS, RawHttp2.END_HEADERS | RawHttp2.END_STREAM, stream, head));
                storm.writeBytes(RawHttp2.bytes(RawHttp2.RST_STREAM, 0, stream, cancel));
            }
            send(client.socket, storm.toByteArray());
            client.awaitEnd();
            // It may be lost with the connection's reset.
            assertThat(client.goAway).isIn(RawHttp2.ENHANCE_YOUR_CALM, -1);
        }
    }

    /** CVE-2025-8671, "MadeYouReset": the client's faults make the server reset, and its handlers work on. */
    @Test
    void aStormOfFaultsEndsTheConnection() throws Exception {
        provokeResets(fixture.server, RawHttp2.head("POST", "/v1/completions", "content-type", "application/json"));
        try (GrpcFixture grpc = new GrpcFixture()) {
            provokeResets(
                    grpc.server,
                    RawHttp2.head("POST", "/apus.v1.Inference/Generate", "content-type", "application/grpc"));
        }
    }

    private static void provokeResets(HttpServer server, byte[] head) throws IOException {
        try (RawHttp2 client = RawHttp2.connect(server)) {
            for (int i = 0; i <= 1024; i++) {
                int stream = 2 * i + 1;
                client.frame(RawHttp2.HEADERS, RawHttp2.END_HEADERS, stream, head);
                client.window(stream, 0);
                while (client.answer(stream).reset < 0) {
                    assertThat(client.read()).as("a frame before the end").isNotNull();
                }
                assertThat(client.answer(stream).reset).isEqualTo(RawHttp2.PROTOCOL_ERROR);
            }
            client.awaitEnd();
            assertThat(client.goAway).isEqualTo(RawHttp2.ENHANCE_YOUR_CALM);
        }
    }

    /** CVE-2024-27316: a header block without an end. */
    @Test
    void aFloodOfContinuationsEndsTheConnection() throws Exception {
        try (RawHttp2 client = RawHttp2.connect(fixture.server)) {
            ByteArrayOutputStream flood = new ByteArrayOutputStream();
            flood.writeBytes(RawHttp2.bytes(RawHttp2.HEADERS, 0, 1, RawHttp2.head("GET", "/version")));
            byte[] part = RawHttp2.fields("x", "y");
            for (int i = 0; i < 10_000; i++) {
                flood.writeBytes(RawHttp2.bytes(RawHttp2.CONTINUATION, 0, 1, part));
            }
            send(client.socket, flood.toByteArray());
            client.awaitEnd();
        }
        try (RawHttp2 client = RawHttp2.connect(fixture.server)) {
            ByteArrayOutputStream flood = new ByteArrayOutputStream();
            flood.writeBytes(RawHttp2.bytes(RawHttp2.HEADERS, 0, 1, RawHttp2.head("GET", "/version")));
            byte[] part = RawHttp2.fields("x", "y".repeat(16_000));
            for (int i = 0; i < 100; i++) {
                flood.writeBytes(RawHttp2.bytes(RawHttp2.CONTINUATION, 0, 1, part));
            }
            send(client.socket, flood.toByteArray());
            client.awaitEnd();
        }
    }

    /** CVE-2019-9512 and 9515: each asks for an answer, and none is read. */
    @Test
    void floodsThatAreNotReadEndTheConnection() throws Exception {
        flood(RawHttp2.bytes(RawHttp2.PING, 0, 0, new byte[8]));
        flood(RawHttp2.bytes(RawHttp2.SETTINGS, 0, 0, new byte[0]));
    }

    /** Sends until the server takes no more; some megabytes are the sockets'. */
    private void flood(byte[] frame) throws IOException {
        ByteArrayOutputStream many = new ByteArrayOutputStream();
        for (int i = 0; i < 4096; i++) {
            many.writeBytes(frame);
        }
        try (RawHttp2 client = new RawHttp2(new RawClient(fixture.server, 4096).socket)) {
            client.preface(65_535);
            boolean ended = false;
            for (int i = 0; i < 2000 && !ended; i++) {
                ended = !send(client.socket, many.toByteArray());
            }
            assertThat(ended).as("the connection has ended").isTrue();
        }
    }

    /** CVE-2019-9518. */
    @Test
    void emptyDataFramesEndTheConnection() throws Exception {
        try (RawHttp2 client = RawHttp2.connect(fixture.server)) {
            byte[] head = RawHttp2.head("POST", "/v1/completions", "content-type", "application/json");
            client.frame(RawHttp2.HEADERS, RawHttp2.END_HEADERS, 1, head);
            ByteArrayOutputStream flood = new ByteArrayOutputStream();
            for (int i = 0; i < 1000; i++) {
                flood.writeBytes(RawHttp2.bytes(RawHttp2.DATA, 0, 1, new byte[0]));
            }
            send(client.socket, flood.toByteArray());
            client.awaitEnd();
        }
    }

    /** Heads that are no requests, each on a connection of its own: a reset, an error or the connection's end, but never 200. */
    @Test
    void malformedHeadsAreRefused() throws Exception {
        List<byte[]> heads = List.of(
                RawHttp2.fields(":method", "GET", ":scheme", "http"),
                RawHttp2.fields(":scheme", "http", ":path", "/health", ":authority", "localhost"),
                RawHttp2.fields(":method", "GET", ":path", "/health", ":authority", "localhost"),
                RawHttp2.fields(":method", "GET", ":scheme", "http", ":path", "", ":authority", "localhost"),
                RawHttp2.fields(":method", "CONNECT", ":authority", "localhost"),
                RawHttp2.fields(":status", "200"),
                RawHttp2.head("GET", "/health", ":path", "/version"),
                RawHttp2.head("GET", "/health", "connection", "close"),
                RawHttp2.head("GET", "/health", "transfer-encoding", "chunked"),
                RawHttp2.head("GET", "/health", "X-Upper", "case"),
                RawHttp2.head("GET", "/health", "x-line", "a\r\nb: c"),
                RawHttp2.head("GET", "/health", "content-length", "5"),
                RawHttp2.head("G T", "/health"),
                RawHttp2.head("", "/health"),
                RawHttp2.head("GET", "/health", "", "nameless"),
                new byte[] {(byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff},
                new byte[0]);
        for (byte[] head : heads) {
            try (RawHttp2 client = RawHttp2.connect(fixture.server)) {
                client.frame(RawHttp2.HEADERS, RawHttp2.END_HEADERS | RawHttp2.END_STREAM, 1, head);
                RawHttp2.Answer answer = client.answer(1);
                while (!answer.ended && answer.reset < 0 && client.read() != null) {
                    // What comes is counted.
                }
                assertThat(answer.status())
                        .as(new String(head, StandardCharsets.ISO_8859_1))
                        .isNotEqualTo(200);
            }
        }
    }

    /** Frames with random types, flags, streams and lengths, and right ones with some bytes changed. */
    @Test
    void randomFramesNeitherCrashNorHang() throws Exception {
        Random random = new Random(20260101);
        for (int i = 0; i < 400; i++) {
            try (RawHttp2 client = RawHttp2.connect(fixture.server)) {
                byte[] bytes = i % 2 == 0 ? randomFrames(random) : changedFrames(random);
                if (send(client.socket, bytes)) {
                    client.socket.shutdownOutput();
                    client.awaitEnd();
                }
            }
        }
        ServerFixture.await("no request is left", () -> fixture.engine.live() == 0);
    }

    private static byte[] randomFrames(Random random) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int i = random.nextInt(1, 20); i > 0; i--) {
            byte[] payload = new byte[random.nextInt(4) == 0 ? random.nextInt(300) : random.nextInt(12)];
            random.nextBytes(payload);
            int type = random.nextInt(12);
            out.writeBytes(RawHttp2.bytes(type, random.nextInt(256), random.nextInt(8), payload));
        }
        return out.toByteArray();
    }

    private static byte[] changedFrames(Random random) {
        byte[] body = "{\"prompt\":\"hi\",\"stream\":true}".getBytes(StandardCharsets.US_ASCII);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int stream = 1; stream < 12; stream += 2) {
            byte[] head = RawHttp2.head("POST", "/v1/completions", "content-type", "application/json");
            out.writeBytes(RawHttp2.bytes(RawHttp2.HEADERS, RawHttp2.END_HEADERS, stream, head));
            out.writeBytes(RawHttp2.bytes(RawHttp2.DATA, RawHttp2.END_STREAM, stream, body));
            out.writeBytes(RawHttp2.bytes(RawHttp2.WINDOW_UPDATE, 0, stream, new byte[] {0, 0, 1, 0}));
            out.writeBytes(RawHttp2.bytes(RawHttp2.PING, 0, 0, new byte[8]));
        }
        byte[] bytes = out.toByteArray();
        for (int i = random.nextInt(1, 6); i > 0; i--) {
            bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
        }
        return bytes;
    }

    /** Whether the server took it; it may end the connection before. */
    private static boolean send(Socket socket, byte[] bytes) throws IOException {
        try {
            socket.getOutputStream().write(bytes);
            return true;
        } catch (SocketException e) {
            return false;
        }
    }
}
