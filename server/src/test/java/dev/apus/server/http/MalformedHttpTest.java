package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.SocketException;
import java.time.Duration;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Bytes that are no HTTP, or HTTP that two servers could read differently, are refused and end the connection. */
@Timeout(60)
class MalformedHttpTest {
    private static final String JSON = "Content-Type: application/json\r\n";

    private final ServerFixture fixture = new ServerFixture(
            options -> options.readTimeout(Duration.ofMillis(100)).idleTimeout(Duration.ofMillis(200)));

    @AfterEach
    void close() {
        fixture.close();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "nonsense\r\n\r\n",
                "GET /ping\r\n\r\n",
                "GET /ping HTTP/2.0\r\nHost: localhost\r\n\r\n",
                "PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n",
                "GET /ping HTTP/1.1\r\n\r\n",
                "GET /ping HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n",
                "GET /ping HTTP/1.1\nHost: a\n\n",
                "GET /ping HTTP/1.1\r\nHost : a\r\n\r\n",
                "GET /ping HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
                "GET /ping HTTP/1.1\r\nHost: localhost\r\nX: a\u0000b\r\n\r\n",
                "GET /ping HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
                "GET /ping HTTP/1.1\r\nHost: localhost\r\nX: a\r\n\tTransfer-Encoding: chunked\r\n\r\n",
                "GET /ping HTTP/1.1\r\n Host: localhost\r\nHost: localhost\r\n\r\n",
                "GET\t/ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "GET /ping\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
                "GET /ping\u000bHTTP/1.1\r\nHost: localhost\r\n\r\n",
                "GET\r/ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "GET /ping?a\u0001b HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "GET /ping?a\u007fb HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "\tGET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "GET http://localhost/ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                "GET http://localhost:81/ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "G\u0001T /ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON + "Content-Length: -1\r\n\r\n",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON + "Content-Length: 2, 3\r\n\r\n{}",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON
                        + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON + "Content-Length: +2\r\n\r\n{}",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON
                        + "Content-Length: 99999999999999999999\r\n\r\n{}",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON
                        + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON
                        + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON
                        + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n{}",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON
                        + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON
                        + "Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON
                        + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON
                        + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                "POST /tokenize HTTP/1.0\r\nHost: localhost\r\n" + JSON
                        + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + JSON
                        + "Expect: a miracle\r\nContent-Length: 2\r\n\r\n{}",
                "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003\r\n\r\n"
            })
    void isRefused(String request) throws Exception {
        try (RawClient client = fixture.connect()) {
            String answer = client.send(request + RawClient.get("/version")).readAll();

            assertThat(answer).matches("(?s)HTTP/1\\.1 (400|413|417|501|505) .*\"error\":\\{.*");
            assertThat(answer).contains("connection: close").doesNotContain(" 200 ");
        }
    }

    @Test
    void aGoodHeadAfterABodyIsTaken() throws Exception {
        try (RawClient client = fixture.connect()) {
            String body = "{\"prompt\":\"a\\n\"\r\n\t}\r\n b";
            String answer = client.send("\r\n" + RawClient.post("/tokenize", body) + "\r\n"
                            + RawClient.get("http://localhost/version", "Connection: close"))
                    .readAll();
            assertThat(answer).contains(" 400 ").contains(" 200 ");
        }
    }

    /** What was answered before its body is wrong is not answered again. */
    @Test
    void aRequestHasOneAnswer() throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send(
                    "OPTIONS /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n");
            String answer = client.readAll();

            assertThat(answer).contains(" 204 ");
            assertThat(answer.split("HTTP/1.1 ", -1)).as(answer).hasSize(2);
        }
    }

    @Test
    void anyBytesAreSurvived() throws Exception {
        SplittableRandom random = new SplittableRandom(7);
        String valid = RawClient.post("/tokenize", "{\"prompt\":\"abc\"}", "X-Request-Id: q", "Connection: close");
        for (int i = 0; i < 150; i++) {
            String request = mutated(valid, random);
            try (RawClient client = fixture.connect()) {
                String answer = client.send(request).readAll();
                // The end without an answer is for a head that never came; a status for all else.
                assertThat(answer).as("answer to %s", request).matches("(?s)|HTTP/1\\.1 [2345]\\d\\d .*");
                assertThat(answer).doesNotStartWith("HTTP/1.1 500");
            } catch (SocketException e) {
                // It was refused while it was still sending.
                assertThat(e).hasMessageContaining("reset");
            }
        }

        assertThat(fixture.connectAndAnswer(RawClient.get("/health"))).contains(" 200 ");
    }

    private static String mutated(String valid, SplittableRandom random) {
        StringBuilder text = new StringBuilder(valid);
        for (int i = random.nextInt(1, 5); i > 0; i--) {
            int at = random.nextInt(text.length());
            switch (random.nextInt(4)) {
                case 0 -> text.setCharAt(at, (char) random.nextInt(256));
                case 1 -> text.deleteCharAt(at);
                case 2 -> text.insert(at, (char) random.nextInt(256));
                default -> text.insert(at, text.substring(at, Math.min(text.length(), at + random.nextInt(40))));
            }
        }
        return text.toString();
    }
}
