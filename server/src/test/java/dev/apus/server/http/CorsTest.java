package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Web pages of other origins: only those named may call the server. */
@Timeout(30)
class CorsTest {
    private static final String ORIGIN = "https://chat.example";

    @Test
    void allowsTheOriginsNamed() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.allowedOrigins(Set.of(ORIGIN)))) {
            assertThat(preflight(fixture, ORIGIN))
                    .startsWith("HTTP/1.1 204 ")
                    .contains(
                            "access-control-allow-origin: " + ORIGIN + "\r\n",
                            "vary: origin",
                            "access-control-allow-methods: GET, POST, DELETE, OPTIONS",
                            "access-control-allow-headers: authorization, *",
                            "access-control-max-age: ");
            assertThat(preflight(fixture, "https://evil.example")).doesNotContain("access-control-");
            assertThat(fixture.connectAndAnswer(RawClient.get("/ping", "Origin: " + ORIGIN)))
                    .contains(" 200 ", "access-control-allow-origin: " + ORIGIN, "access-control-expose-headers: ");
            assertThat(fixture.connectAndAnswer(RawClient.post("/nothing", "{}", "Origin: " + ORIGIN)))
                    .contains(" 404 ", "access-control-allow-origin: " + ORIGIN);
        }
    }

    @Test
    void streamsToAnAllowedOrigin() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.allowedOrigins(Set.of("*")));
                RawClient client = fixture.connect()) {
            client.send(RawClient.post("/v1/completions", "{\"prompt\":\"a\",\"stream\":true}", "Origin: " + ORIGIN));
            fixture.engine.next().emit("x");

            assertThat(client.readUntil("\n\n")).contains("access-control-allow-origin: *\r\n", "\"text\":\"x\"");
        }
    }

    @Test
    void allowsNoneByDefault() throws Exception {
        try (ServerFixture fixture = new ServerFixture()) {
            assertThat(preflight(fixture, ORIGIN)).doesNotContain("access-control-");
        }
    }

    private static String preflight(ServerFixture fixture, String origin) throws Exception {
        try (RawClient client = fixture.connect()) {
            return client.send("OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: " + origin
                            + "\r\nAccess-Control-Request-Method: POST\r\n"
                            + "Access-Control-Request-Headers: content-type, x-stainless-os\r\n\r\n")
                    .readAnswer();
        }
    }
}
