package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.Role;
import dev.apus.server.auth.SecurityOptions;
import dev.apus.server.auth.Terms;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/** Once there are keys, nothing but the probes is answered without one, however the request is written. */
@Timeout(30)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class AuthTest {
    private static final String KEY = "sk-inference-1";
    private static final String MONITOR = "sk-monitor-1";
    private static final String ADMIN = "sk-admin-1";
    private static final String OTHER_MODEL = "sk-other-1";
    private static final String EXPIRED = "sk-expired-1";
    private static final String REVOKED = "sk-revoked-1";
    private static final String BODY = "{\"prompt\":\"hi\",\"max_tokens\":1}";

    private final ServerFixture fixture = new ServerFixture(options -> options.security(new SecurityOptions(keys())));

    private static List<ApiKey> keys() {
        List<ApiKey> keys = new ArrayList<>();
        keys.add(ApiKey.ofSecret(KEY, Principal.of("inference", Role.INFERENCE)));
        keys.add(ApiKey.ofSecret(MONITOR, Principal.of("monitor", Role.MONITOR)));
        keys.add(ApiKey.ofSecret(ADMIN, Principal.of("admin", Role.ADMIN)));
        keys.add(ApiKey.ofSecret(
                OTHER_MODEL, new Principal("other", "team", Set.of(Role.INFERENCE), Set.of("another"), Terms.USUAL)));
        Principal old = Principal.of("old", Role.ADMIN);
        keys.add(new ApiKey(ApiKey.hash(EXPIRED), old, null, Instant.parse("2020-01-02T03:04:05Z"), false));
        keys.add(new ApiKey(ApiKey.hash(REVOKED), old, null, null, true));
        return keys;
    }

    @Test
    void aConnectionMayHaveFewStreamsUntilAKeyWasShown() throws Exception {
        int usual = HttpOptions.builder().build().h2MaxConcurrentStreams();
        try (RawHttp2 client = RawHttp2.connect(fixture.server)) {
            RawHttp2.Frame first = client.awaitFrame(RawHttp2.SETTINGS);
            assertThat(RawHttp2.setting(first, RawHttp2.MAX_CONCURRENT_STREAMS)).isEqualTo(32);
            client.get(1, "/version");
            assertThat(client.await(1).status()).isEqualTo(401);
            for (int i = 0; i <= 32; i++) {
                client.open(3 + 2 * i, "GET", "/health");
            }
            assertThat(client.await(3 + 2 * 32).reset).isEqualTo(RawHttp2.REFUSED_STREAM);
            client.reset(3);
            byte[] head = RawHttp2.head("GET", "/version", "authorization", "Bearer " + KEY);
            client.frame(RawHttp2.HEADERS, RawHttp2.END_HEADERS | RawHttp2.END_STREAM, 101, head);
            RawHttp2.Frame settings = client.awaitFrame(RawHttp2.SETTINGS);
            while ((settings.flags() & RawHttp2.ACK) != 0) {
                settings = client.awaitFrame(RawHttp2.SETTINGS);
            }
            assertThat(RawHttp2.setting(settings, RawHttp2.MAX_CONCURRENT_STREAMS))
                    .isEqualTo(usual);
            assertThat(client.await(101).status()).isEqualTo(200);
            for (int i = 0; i < 40; i++) {
                client.open(103 + 2 * i, "GET", "/health");
            }
            client.get(301, "/health");
            assertThat(client.await(301).status()).isEqualTo(200);
        }
    }

    @BeforeAll
    void keysAreNoBarrierToProbes() {
        for (String path : List.of("/health", "/live", "/ready")) {
            assertThat(answer(RawClient.get(path))).as(path).startsWith("HTTP/1.1 200 ");
        }
    }

    @AfterAll
    void close() {
        fixture.close();
    }

    private String answer(String request) {
        return fixture.connectAndAnswer(request);
    }

    private static String bearer(String key) {
        return "Authorization: Bearer " + key;
    }

    private void assertUnauthorized(String answer) {
        assertThat(answer)
                .startsWith("HTTP/1.1 401 ")
                .contains(
                        "www-authenticate: Bearer realm=\"apus\"", "\"code\":\"", "\"type\":\"invalid_request_error\"")
                .doesNotContain("stub", "\"object\"");
        assertThat(fixture.engine.live()).isZero();
    }

    private static Stream<String> requestsOfAllRoutes() {
        List<String> requests = new ArrayList<>();
        for (String path : List.of(
                "/", "/v1/models", "/v1/models/stub", "/ping", "/version", "/metrics", "/nothing", "/v1", "/admin")) {
            requests.add(RawClient.get(path));
            requests.add(RawClient.get(path).replace("GET", "HEAD"));
        }
        for (String path : List.of(
                "/v1/chat/completions",
                "/v1/completions",
                "/tokenize",
                "/detokenize",
                "/health",
                "/ready",
                "/live",
                "/nothing",
                "/pause",
                "/invocations")) {
            requests.add(RawClient.post(path, BODY));
        }
        requests.add("DELETE /v1/models/stub HTTP/1.1\r\nHost: localhost\r\n\r\n");
        requests.add("OPTIONS /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n");
        return requests.stream();
    }

    @ParameterizedTest
    @MethodSource("requestsOfAllRoutes")
    void everythingElseNeedsAKey(String request) {
        String answer = answer(request.replace("\r\nHost", "\r\nConnection: close\r\nHost"));
        assertThat(answer).startsWith("HTTP/1.1 401 ").contains("www-authenticate: ");
        assertThat(answer).doesNotContain("allow: ");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "//v1/models",
                "/v1//models",
                "/v1/../v1/models",
                "/health/../v1/models",
                "/health/%2e%2e/v1/models",
                "/%76%31/models",
                "/V1/Models",
                "/v1/models/",
                "/v1/models;/health",
                "/v1/models;jsessionid=/health",
                "/v1/models%00/health",
                "/v1/models#/health",
                "/v1/models?/health",
                "/v1/models?x=/../health",
                "/./v1/models",
                "\\v1\\models",
                "http://localhost/v1/models",
                "http://localhost//v1/models",
                "HTTP://localhost/v1/models",
                "http://localhost/health/../v1/models",
                "http://localhost?/v1/models",
                "ftp://localhost/v1/models",
                "x?://localhost/v1/models",
                "/health/",
                "/health;",
                "/health%20",
                "/Health",
                "/healthz",
                "//health",
                "/health//",
                "/ready/v1/models",
                "*",
                "/v1/models?api_key=" + KEY,
                "/v1/models?key=" + KEY,
                "/v1/models?x=1&access_token=" + KEY
            })
    void noWayToWriteAPathPasses(String target) {
        assertUnauthorized(answer("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assertUnauthorized(answer("POST " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Authorization: Bearer",
                "Authorization: Bearer ",
                "Authorization: Bearer  ",
                "Authorization: Bearer null",
                "Authorization: Bearer undefined",
                "Authorization: Bearer " + KEY + "x",
                "Authorization: Bearer sk-inference-",
                "Authorization: Bearer " + KEY + "," + KEY,
                "Authorization: Bearer SK-INFERENCE-1",
                "Authorization: Basic c2staW5mZXJlbmNlLTE6",
                "Authorization: " + KEY,
                "Authorization: Token " + KEY,
                "Authorization: Bearer x\r\nAuthorization: Bearer " + KEY,
                "Authorization: Bearer " + KEY + "\r\nAuthorization: Bearer " + KEY,
                "Authorization: Bearer x\r\nx-api-key: " + KEY,
                "x-api-key: ",
                "x-api-key: Bearer " + KEY,
                "x-api-key: x\r\nx-api-key: " + KEY,
                "api-key: " + KEY,
                "Cookie: api_key=" + KEY,
                "X-Forwarded-For: 127.0.0.1",
                "X-Original-URL: /health",
                "X-Rewrite-URL: /health",
                "X-HTTP-Method-Override: OPTIONS",
                "Authorization: Bearer " + EXPIRED,
                "Authorization: Bearer " + REVOKED
            })
    void onlyAValidKeyInItsPlaceCounts(String header) {
        assertUnauthorized(answer(RawClient.get("/v1/models", header)));
        assertUnauthorized(answer(RawClient.post("/v1/completions", BODY, header)));
    }

    /** The path of HTTP/2 is a field, in which more can be written. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "/v1/models",
                "//v1/models",
                "/health/../v1/models",
                "/v1/models?/health",
                "/v1/models#/health",
                "/health /v1/models",
                "/health\t",
                "http://localhost/v1/models",
                "/V1/models",
                "health",
                "*"
            })
    void norDoesAPathOfHttp2(String path) throws Exception {
        for (String method : List.of("GET", "POST", "get", "GET /health")) {
            try (RawHttp2 client = RawHttp2.connect(fixture.server)) {
                client.frame(
                        RawHttp2.HEADERS,
                        RawHttp2.END_HEADERS | RawHttp2.END_STREAM,
                        1,
                        RawHttp2.head(method, path, "content-type", "application/json"));
                RawHttp2.Answer answer = client.await(1);
                // Malformed ones are reset or refused before anybody asks for a key.
                assertThat(answer.reset >= 0 || answer.status() == 401 || answer.status() == 400)
                        .as("%s %s: %s", method, path, answer.status())
                        .isTrue();
                assertThat(answer.body).doesNotContain("stub");
            }
        }
    }

    @Test
    void anthropicsClientsGetTheirOwnError() {
        assertThat(answer(RawClient.post("/v1/messages", "{}")))
                .startsWith("HTTP/1.1 401 ")
                .contains("\"type\":\"error\"", "\"type\":\"authentication_error\"", "www-authenticate: ");
    }

    @Test
    void noKeyGetsIntoTheLog() {
        Logger logger = (Logger) LoggerFactory.getLogger("dev.apus");
        Level before = logger.getLevel();
        ListAppender<ILoggingEvent> log = new ListAppender<>();
        log.start();
        logger.addAppender(log);
        logger.setLevel(Level.TRACE);
        try {
            answer(RawClient.get("/v1/models", bearer(KEY)));
            answer(RawClient.get("/v1/models", bearer("sk-wrong-secret")));
            answer(RawClient.get("/v1/models?api_key=" + KEY));
            answer(RawClient.get("/v1/models", "x-api-key: sk-wrong-secret", "x-request-id: r"));
            answer(RawClient.post("/log_level", "{\"level\":\"INFO\",\"logger\":\"dev.apus.none\"}", bearer(ADMIN)));
        } finally {
            logger.setLevel(before);
            logger.detachAppender(log);
        }
        assertThat(List.copyOf(log.list))
                .extracting(ILoggingEvent::getFormattedMessage)
                .isNotEmpty()
                .noneMatch(line -> line.contains(KEY) || line.contains(ADMIN) || line.contains("sk-wrong-secret"));
    }

    @Test
    void aKeyIsTakenFromEitherHeader() {
        for (String header : List.of(
                bearer(KEY),
                "authorization: bearer " + KEY,
                "AUTHORIZATION: BEARER   " + KEY + " ",
                "x-api-key: " + KEY,
                "X-Api-Key:" + KEY,
                "Authorization: Basic dXNlcjpwYXNz\r\nx-api-key: " + KEY)) {
            assertThat(answer(RawClient.get("/v1/models", header)))
                    .as(header)
                    .startsWith("HTTP/1.1 200 ")
                    .contains("\"id\":\"stub\"");
        }
        assertThat(answer(RawClient.get("/nothing", bearer(KEY)))).startsWith("HTTP/1.1 404 ");
        assertThat(answer(RawClient.get("/v1/completions", bearer(KEY)))).startsWith("HTTP/1.1 405 ");
    }

    @Test
    void aTextIsMadeForAValidKey() throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.post("/v1/completions", BODY, bearer(KEY)));
            ManualEngine.Work work = fixture.engine.next();
            work.emit("a");
            fixture.engine.finish(work);
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 200 ");
        }
    }

    @Test
    void theMessageSaysWhatIsWrongButNotTheKey() {
        assertThat(answer(RawClient.get("/v1/models"))).contains("missing_api_key", "Authorization: Bearer KEY");
        assertThat(answer(RawClient.get("/v1/models", bearer("sk-secret-thing"))))
                .contains("invalid_api_key", "error=\"invalid_token\"")
                .doesNotContain("sk-secret-thing");
        assertThat(answer(RawClient.get("/v1/models", bearer(EXPIRED)))).contains("expired on 2020-01-02T03:04:05Z");
        assertThat(answer(RawClient.get("/v1/models", bearer(REVOKED)))).contains("revoked");
        assertThat(answer(RawClient.get("/v1/models?api_key=" + KEY)))
                .contains("api_key_in_query")
                .doesNotContain(KEY);
    }

    @Test
    void rolesAreKept() {
        assertThat(answer(RawClient.get("/metrics", bearer(MONITOR)))).startsWith("HTTP/1.1 200 ");
        assertThat(answer(RawClient.get("/metrics", bearer(ADMIN)))).startsWith("HTTP/1.1 200 ");
        assertThat(answer(RawClient.get("/metrics", bearer(KEY))))
                .startsWith("HTTP/1.1 403 ")
                .contains(
                        "missing_role",
                        "has the roles [inference]",
                        "needs the role 'monitor' (or 'admin')",
                        "--role monitor");
        assertThat(answer(RawClient.post("/v1/completions", BODY, bearer(MONITOR))))
                .startsWith("HTTP/1.1 403 ")
                .contains("missing_role", "connection: close");
    }

    @Test
    void aKeyForAnotherModelSeesAndUsesNone() {
        assertThat(answer(RawClient.get("/v1/models", bearer(OTHER_MODEL))))
                .startsWith("HTTP/1.1 200 ")
                .endsWith("{\"object\":\"list\",\"data\":[]}");
        for (String request : List.of(
                RawClient.get("/v1/models/stub", bearer(OTHER_MODEL)),
                RawClient.post("/v1/completions", BODY, bearer(OTHER_MODEL)),
                RawClient.post("/tokenize", "{\"prompt\":\"hi\"}", bearer(OTHER_MODEL)))) {
            assertThat(answer(request)).startsWith("HTTP/1.1 403 ").contains("model_not_allowed");
        }
    }

    /** A body that nobody may send is not waited for. */
    @Test
    void theAnswerComesBeforeTheBody() throws Exception {
        String head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        for (String more : List.of(
                "Content-Length: 1000000\r\n\r\n{",
                "Transfer-Encoding: chunked\r\n\r\n",
                "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")) {
            try (RawClient client = fixture.connect()) {
                assertThat(client.send(head + more).readAnswer())
                        .as(more)
                        .startsWith("HTTP/1.1 401 ")
                        .contains("connection: close")
                        .doesNotContain("100 Continue");
                assertThat(client.readAll()).isEmpty();
            }
        }
    }

    /** A key is asked for with each request, not once for a connection. */
    @Test
    void aConnectionRemembersNobody() throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send(
                    RawClient.get("/v1/models", bearer(KEY)) + RawClient.get("/v1/models") + RawClient.get("/ready"));
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 200 ");
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 401 ");
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 200 ");
        }
    }

    @Test
    void aPageMayAskForTheOptionsWithoutAKey() {
        try (ServerFixture pages = new ServerFixture(options ->
                options.security(new SecurityOptions(keys())).allowedOrigins(Set.of("https://chat.example")))) {
            String preflight = "OPTIONS /v1/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: https://chat.example\r\n"
                    + "Access-Control-Request-Method: POST\r\n\r\n";
            assertThat(pages.connectAndAnswer(preflight))
                    .startsWith("HTTP/1.1 204 ")
                    .contains("access-control-allow-headers: authorization, *");
            assertThat(pages.connectAndAnswer(RawClient.post("/v1/completions", BODY, "Origin: https://chat.example")))
                    .startsWith("HTTP/1.1 401 ")
                    .contains("access-control-allow-origin: https://chat.example");
        }
    }
}
