package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a client may take of the server, and what it is told beyond. */
@Timeout(30)
class LimitsTest {
    @Test
    void turnsConnectionsAwayBeyondTheLimitAndTakesThemAgain() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.maxConnections(3))) {
            List<RawClient> held = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                RawClient client = fixture.connect();
                held.add(client);
                assertThat(client.send(RawClient.get("/ping")).readAnswer()).contains(" 200 ");
            }
            assertThat(fixture.connectAndAnswer(RawClient.get("/version")))
                    .startsWith("HTTP/1.1 503 ")
                    .contains("retry-after: ", "connection: close", "{\"error\":{\"message\":");
            for (String path : List.of("/health", "/ready", "/metrics")) {
                assertThat(fixture.connectAndAnswer(RawClient.get(path))).contains(" 200 ", "connection: close");
            }
            // Places for those who watch are few, too.
            List<RawClient> silent = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                silent.add(fixture.connect());
            }
            try (RawClient refused = fixture.connect()) {
                assertThat(refused.readAll())
                        .startsWith("HTTP/1.1 503 ")
                        .contains("retry-after: ", "connection: close", "{\"error\":{\"message\":");
            }
            // And are taken back soon.
            for (RawClient client : silent) {
                assertThat(client.readAll()).isEmpty();
                client.close();
            }
            held.removeLast().close();
            ServerFixture.await("a place", () -> isServed(fixture));
            for (RawClient client : held) {
                assertThat(client.send(RawClient.get("/ping")).readAnswer()).contains(" 200 ");
                client.close();
            }
        }
    }

    private static boolean isServed(ServerFixture fixture) {
        try (RawClient client = fixture.connect()) {
            return client.send(RawClient.get("/version")).readAnswer().contains(" 200 ");
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void limitsTheHead() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.maxHeaderBytes(2048))) {
            assertThat(answer(fixture, RawClient.get("/ping", "X: " + "y".repeat(1500))))
                    .contains(" 200 ");
            assertThat(answer(fixture, RawClient.get("/ping", "X: " + "y".repeat(2500))))
                    .contains(" 431 ");
            assertThat(answer(fixture, RawClient.get("/ping", manyHeaders(400))))
                    .contains(" 431 ");
            assertThat(answer(fixture, RawClient.get("/" + "p".repeat(9000)))).contains(" 414 ");
        }
    }

    private static String[] manyHeaders(int count) {
        String[] headers = new String[count];
        for (int i = 0; i < count; i++) {
            headers[i] = "H" + i + ": 1";
        }
        return headers;
    }

    @Test
    void limitsTheBodyHoweverItIsSent() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.maxBodyBytes(1000))) {
            String large = "{\"prompt\":\"" + "x".repeat(1000) + "\"}";
            assertThat(answer(fixture, RawClient.post("/tokenize", large))).contains(" 413 ", "connection: close");
            assertThat(answer(fixture, chunked(large, 100))).contains(" 413 ", "connection: close");
            String small = "{\"prompt\":\"" + "x".repeat(900) + "\"}";
            assertThat(answer(fixture, RawClient.post("/tokenize", small))).contains(" 200 ");
            assertThat(answer(fixture, chunked(small, 7))).contains(" 200 ", "\"count\":900");
        }
    }

    private static String chunked(String body, int size) {
        StringBuilder request = new StringBuilder("POST /tokenize HTTP/1.1\r\nHost: localhost\r\n"
                + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int at = 0; at < body.length(); at += size) {
            String part = body.substring(at, Math.min(body.length(), at + size));
            request.append(Integer.toHexString(part.length()))
                    .append("\r\n")
                    .append(part)
                    .append("\r\n");
        }
        return request.append("0\r\n\r\n").toString();
    }

    @Test
    void limitsTheBodiesOfAllConnectionsTogether() throws Exception {
        try (ServerFixture fixture =
                        new ServerFixture(options -> options.maxBodyBytes(1000).maxBufferedBytes(30_000));
                RawClient first = fixture.connect()) {
            String body = "{\"prompt\":\"" + "x".repeat(700) + "\"}";
            String request = RawClient.post("/tokenize", body);
            first.send(request.substring(0, request.length() - 5));
            // The first part counts once it has been read.
            ServerFixture.await(
                    "the budget is spent",
                    () -> fixture.connectAndAnswer(request).contains(" 503 "));

            assertThat(first.send(request.substring(request.length() - 5)).readAnswer())
                    .contains(" 200 ");
            ServerFixture.await(
                    "the budget is back",
                    () -> fixture.connectAndAnswer(request).contains(" 200 "));
        }
    }

    @Test
    void aBodyOfAGoneClientGivesItsMemoryBack() throws Exception {
        try (ServerFixture fixture =
                new ServerFixture(options -> options.maxBodyBytes(1000).maxBufferedBytes(30_000))) {
            String request = RawClient.post("/tokenize", "{\"prompt\":\"" + "x".repeat(700) + "\"}");
            try (RawClient first = fixture.connect()) {
                first.send(request.substring(0, request.length() - 5));
                ServerFixture.await(
                        "the budget is spent",
                        () -> fixture.connectAndAnswer(request).contains(" 503 "));
            }

            ServerFixture.await(
                    "the budget is back",
                    () -> fixture.connectAndAnswer(request).contains(" 200 "));
        }
    }

    @Test
    void aFullQueueIsTold() throws Exception {
        try (ServerFixture fixture = new ServerFixture()) {
            fixture.engine.room.set(2);
            String request = RawClient.post("/v1/completions", "{\"prompt\":\"a\",\"n\":3,\"stream\":true}");
            assertThat(answer(fixture, request))
                    .contains(" 429 ", "retry-after: 3", "application/json", "\"type\":\"rate_limit_error\"");
            // All or none: the two for which there was room did not begin.
            assertThat(fixture.engine.aborted()).isEmpty();
            assertThat(fixture.engine.live()).isZero();
            assertThat(answer(fixture, RawClient.get("/metrics"))).contains("vllm:admission_rejections_total{");
        }
    }

    @Test
    void limitsTheTimeOfARequestAndOfAnIdleConnection() throws Exception {
        try (ServerFixture fixture = new ServerFixture(
                        options -> options.readTimeout(Duration.ofMillis(150)).idleTimeout(Duration.ofMillis(300)));
                RawClient slow = fixture.connect();
                RawClient slowHead = fixture.connect();
                RawClient idle = fixture.connect();
                RawClient served = fixture.connect()) {
            slow.send(
                    "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{");
            slowHead.send("GET /ping HT");
            served.send(RawClient.get("/ping"));

            assertThat(slow.readAll()).contains(" 408 ", "connection: close");
            assertThat(slowHead.readAll()).isEmpty();
            assertThat(idle.readAll()).isEmpty();
            assertThat(served.readAll()).contains(" 200 ");
        }
    }

    private static String answer(ServerFixture fixture, String request) {
        return fixture.connectAndAnswer(request);
    }
}
