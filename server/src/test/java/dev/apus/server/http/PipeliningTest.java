package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Several requests on one connection. */
@Timeout(30)
class PipeliningTest {
    private final ServerFixture fixture = new ServerFixture();

    @AfterEach
    void close() {
        fixture.close();
    }

    @Test
    void aRequestWaitsForTheAnswerBeforeIt() throws Exception {
        try (RawClient client = fixture.connect()) {
            ManualEngine.Work first = fixture.start(client, true);
            client.send(RawClient.post("/v1/completions", "{\"prompt\":\"two\",\"max_tokens\":9}")
                    + RawClient.get("/version", "X-Request-Id: third"));
            first.emit("one");
            assertThat(client.readUntil("\n\n")).contains("\"text\":\"one\"");
            assertThat(fixture.engine.live()).isEqualTo(1);

            fixture.engine.finish(first);
            assertThat(client.readUntil("0\r\n\r\n")).contains("[DONE]").doesNotContain("third");
            ManualEngine.Work second = fixture.engine.next();
            second.emit("2");
            fixture.engine.finish(second);
            assertThat(client.readAnswer()).contains("\"text\":\"2\"");
            assertThat(client.readAnswer()).contains("x-request-id: third");
        }
    }

    /** Only a connection's first request may change its protocol: the answer to another may be under way. */
    @Test
    void aLaterRequestDoesNotChangeTheProtocol() throws Exception {
        try (RawClient client = fixture.connect()) {
            ManualEngine.Work first = fixture.start(client, true);
            client.send(RawClient.get(
                    "/health",
                    "Connection: Upgrade, HTTP2-Settings",
                    "Upgrade: h2c",
                    "HTTP2-Settings: AAMAAABkAAQAAP__"));
            first.emit("one");
            assertThat(client.readUntil("\n\n")).contains("\"text\":\"one\"").doesNotContain("Switching");
            fixture.engine.finish(first);
            assertThat(client.readUntil("0\r\n\r\n")).contains("[DONE]").doesNotContain("Switching");
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 200 ");
        }
    }

    /** A client that is not read may have gone unseen, and what is generated for it would be for nobody. */
    @Test
    void whoSendsMuchBehindARequestThatGeneratesIsRefused() throws Exception {
        try (RawClient client = fixture.connect()) {
            ManualEngine.Work first = fixture.start(client, false);
            client.send(RawClient.post("/tokenize", "x".repeat(1 << 20)));
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 400 ").contains("pipelined");
            ServerFixture.await("the abort", () -> fixture.engine.aborted().contains(first.request.id()));
        }
    }

    /** Its time began when it was this request's turn. */
    @Test
    void aPipelinedRequestThatStaysIncompleteIsRefused() throws Exception {
        try (ServerFixture hasty = new ServerFixture(options -> options.readTimeout(Duration.ofMillis(300)));
                RawClient client = hasty.connect()) {
            ManualEngine.Work first = hasty.start(client, false);
            String second = RawClient.post("/tokenize", "{\"prompt\":\"abc\"}");
            client.send(second.substring(0, second.length() - 3));
            first.emit("one");
            hasty.engine.finish(first);
            assertThat(client.readAnswer()).contains("\"text\":\"one\"");
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 408 ");
        }
    }

    @Test
    void aRequestMayComeByteByByte() throws Exception {
        try (RawClient client = fixture.connect()) {
            String request = RawClient.post("/tokenize", "{\"prompt\":\"abc\"}");
            for (int i = 0; i < request.length(); i++) {
                client.send(request.substring(i, i + 1));
            }
            assertThat(client.readAnswer()).contains(" 200 ", "\"count\":3");
        }
    }

    @Test
    void anEarlyRefusalWithoutABodyKeepsTheConnection() throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.get("/nothing") + RawClient.get("/ping"));
            assertThat(client.readAnswer()).contains(" 404 ").doesNotContain("connection: close");
            assertThat(client.readAnswer()).contains(" 200 ");
        }
    }

    @Test
    void aRefusedBodyEndsTheConnection() throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.post("/nothing", "{}") + RawClient.get("/ping"));
            assertThat(client.readAll()).contains(" 404 ", "connection: close").doesNotContain(" 200 ");
        }
    }

    @Test
    void http10HasNoChunksAndEndsWithTheConnection() throws Exception {
        try (RawClient client = fixture.connect()) {
            String body = "{\"prompt\":\"hi\",\"stream\":true}";
            client.send("POST /v1/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: "
                    + body.length() + "\r\n\r\n" + body);
            ManualEngine.Work work = fixture.engine.next();
            work.emit("abc");
            fixture.engine.finish(work);
            assertThat(client.readAll())
                    .contains("connection: close")
                    .doesNotContain("chunked")
                    .endsWith("data: [DONE]\n\n");
        }
    }

    @Test
    void aBodyIsSentWhenTheServerSaysSo() throws Exception {
        try (RawClient client = fixture.connect()) {
            String request = RawClient.post("/tokenize", "{\"prompt\":\"abc\"}", "Expect: 100-continue");
            int body = request.indexOf("\r\n\r\n") + 4;
            client.send(request.substring(0, body));
            assertThat(client.readUntil("\r\n\r\n")).isEqualTo("HTTP/1.1 100 Continue\r\n\r\n");
            assertThat(client.send(request.substring(body)).readAnswer()).contains("\"count\":3");
        }
    }
}
