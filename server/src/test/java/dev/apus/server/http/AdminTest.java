package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.KeyRing;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.SecurityOptions;
import dev.apus.server.auth.SecurityOptions.Address;
import java.io.IOException;
import java.time.Clock;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/** Orders that change the server for everybody: who may give them, where, and what they do. */
@Timeout(30)
class AdminTest {
    private static final String BODY = "{\"prompt\":\"hi\",\"max_tokens\":9}";
    private static final List<ApiKey> KEYS = SecurityOptions.keys(List.of("user"), List.of("root"));

    private static String order(String path, String... headers) {
        String lines = headers.length == 0 ? "" : String.join("\r\n", headers) + "\r\n";
        return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n" + lines + "\r\n";
    }

    private static String ready(ServerFixture fixture) {
        return fixture.connectAndAnswer(RawClient.get("/ready"));
    }

    @ParameterizedTest
    @CsvSource({
        "/pause, /resume",
        "/drain, /undrain",
        "/sleep?level=0, /wake_up",
        "/sleep?level=0, /wake_up?tags=weights"
    })
    void aPausedServerTakesNoNewRequestsAndFinishesThoseItHas(String pause, String resume) throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawClient client = fixture.connect()) {
            ManualEngine.Work work = fixture.start(client, false);
            assertThat(fixture.connectAndAnswer(order(pause)))
                    .startsWith("HTTP/1.1 200 ")
                    .contains("{\"is_paused\":true,\"in_flight\":1}");
            assertThat(ready(fixture)).startsWith("HTTP/1.1 503 ").contains("paused");
            assertThat(fixture.connectAndAnswer(RawClient.get("/live"))).startsWith("HTTP/1.1 200 ");
            assertThat(fixture.connectAndAnswer(RawClient.get("/is_sleeping"))).contains("{\"is_sleeping\":true}");
            assertThat(fixture.connectAndAnswer(RawClient.post("/v1/completions", BODY)))
                    .startsWith("HTTP/1.1 503 ")
                    .contains("paused", "retry-after: ");
            work.emit("a");
            fixture.engine.finish(work);
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 200 ");

            assertThat(fixture.connectAndAnswer(order(resume))).contains("{\"is_paused\":false,");
            assertThat(ready(fixture)).startsWith("HTTP/1.1 200 ");
            assertThat(fixture.connectAndAnswer(RawClient.get("/is_sleeping"))).contains("{\"is_sleeping\":false}");
            try (RawClient another = fixture.connect()) {
                fixture.start(another, false);
            }
        }
    }

    @Test
    void aPauseMayWaitOrAbort() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawClient client = fixture.connect();
                RawClient waiting = fixture.connect();
                RawClient aborting = fixture.connect()) {
            fixture.start(client, false);
            waiting.send(order("/pause?mode=wait"));
            ServerFixture.await("the pause", () -> ready(fixture).startsWith("HTTP/1.1 503 "));
            assertThat(aborting.send(order("/pause?mode=abort")).readAnswer())
                    .contains("{\"is_paused\":true,\"in_flight\":0}");
            assertThat(waiting.readAnswer()).contains("{\"is_paused\":true,\"in_flight\":0}");
            assertThat(client.readAnswer()).contains("\"finish_reason\":\"abort\"");
            assertThat(fixture.engine.aborted()).hasSize(1);
        }
    }

    /** Under load there is no moment in which nothing runs. */
    @Test
    void whoWaitsForAPauseIsAnsweredByItsEnd() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawClient client = fixture.connect();
                RawClient waiting = fixture.connect()) {
            ManualEngine.Work running = fixture.start(client, false);
            waiting.send(order("/pause?mode=wait"));
            ServerFixture.await("the pause", () -> ready(fixture).startsWith("HTTP/1.1 503 "));
            assertThat(fixture.connectAndAnswer(order("/resume"))).contains("{\"is_paused\":false,\"in_flight\":1}");
            assertThat(waiting.readAnswer()).contains("{\"is_paused\":false,\"in_flight\":1}");
            fixture.engine.finish(running);
        }
    }

    @Test
    void whatIsNotPossibleIsSaid() {
        try (ServerFixture fixture = new ServerFixture()) {
            for (String path : List.of("/sleep", "/sleep?level=1", "/sleep?level=2")) {
                assertThat(fixture.connectAndAnswer(order(path)))
                        .startsWith("HTTP/1.1 501 ")
                        .contains("unsupported_sleep_level", "level 0");
            }
            for (String path :
                    List.of("/sleep?level=9", "/sleep?level=0&level=1", "/pause?mode=keep", "/pause?mode=%zz")) {
                assertThat(fixture.connectAndAnswer(order(path))).as(path).startsWith("HTTP/1.1 400 ");
            }
            assertThat(ready(fixture)).startsWith("HTTP/1.1 200 ");
        }
    }

    @Test
    void thePrefixCacheIsReset() {
        try (ServerFixture fixture = new ServerFixture()) {
            assertThat(fixture.connectAndAnswer(order("/reset_prefix_cache")))
                    .startsWith("HTTP/1.1 200 ")
                    .endsWith("{\"success\":true}");
            assertThat(fixture.engine.resets.get()).isEqualTo(1);
        }
    }

    @Test
    void theLogIsSet() {
        Logger logger = (Logger) LoggerFactory.getLogger("dev.apus.test.admin");
        try (ServerFixture fixture = new ServerFixture()) {
            assertThat(fixture.connectAndAnswer(
                            RawClient.post("/log_level", "{\"level\":\"debug\",\"logger\":\"dev.apus.test.admin\"}")))
                    .startsWith("HTTP/1.1 200 ")
                    .endsWith("{\"logger\":\"dev.apus.test.admin\",\"level\":\"DEBUG\"}");
            assertThat(logger.getLevel()).isEqualTo(Level.DEBUG);
            assertThat(fixture.connectAndAnswer(RawClient.get("/log_level")))
                    .contains("{\"logger\":\"dev.apus\",\"level\":\"");
            for (String body : List.of(
                    "{}",
                    "{\"level\":\"LOUD\"}",
                    "{\"level\":7}",
                    "{\"level\":\"DEBUG\",\"logger\":\"io.netty\"}",
                    "{\"level\":\"DEBUG\",\"logger\":\"ROOT\"}",
                    "{\"level\":\"DEBUG\",\"logger\":\"dev.apusx\"}")) {
                assertThat(fixture.connectAndAnswer(RawClient.post("/log_level", body)))
                        .as(body)
                        .startsWith("HTTP/1.1 400 ");
            }
        } finally {
            logger.setLevel(null);
        }
    }

    @Test
    void whatThereIsIsTold() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawClient client = fixture.connect()) {
            assertThat(fixture.connectAndAnswer(RawClient.get("/server_info")))
                    .contains("\"model\":\"stub\"", "\"block_size\":16", "\"is_paused\":false");
            assertThat(fixture.connectAndAnswer(RawClient.get("/load"))).endsWith("{\"server_load\":0}");
            fixture.start(client, true);
            assertThat(fixture.connectAndAnswer(RawClient.get("/load"))).endsWith("{\"server_load\":1}");
        }
    }

    /** Such needs no leave of the server's to be sent by any page. */
    @Test
    void aWebPageGivesNoOrders() {
        try (ServerFixture fixture = new ServerFixture()) {
            assertThat(fixture.connectAndAnswer(order("/pause", "Origin: https://evil.example")))
                    .startsWith("HTTP/1.1 415 ");
            assertThat(fixture.connectAndAnswer(order("/pause", "Origin: null")))
                    .startsWith("HTTP/1.1 415 ");
            assertThat(fixture.connectAndAnswer(order("/pause", "Content-Type: text/plain")))
                    .startsWith("HTTP/1.1 415 ");
            assertThat(ready(fixture)).startsWith("HTTP/1.1 200 ");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/pause", "/drain", "/resume", "/sleep?level=0", "/wake_up", "/reset_prefix_cache"})
    void ordersNeedTheRole(String path) {
        try (ServerFixture fixture = new ServerFixture(options -> options.security(new SecurityOptions(KEYS)))) {
            assertThat(fixture.connectAndAnswer(order(path))).startsWith("HTTP/1.1 401 ");
            assertThat(fixture.connectAndAnswer(order(path, "Authorization: Bearer user")))
                    .startsWith("HTTP/1.1 403 ")
                    .contains("'admin'");
            assertThat(fixture.engine.resets.get()).isZero();
            assertThat(ready(fixture)).startsWith("HTTP/1.1 200 ");
            assertThat(fixture.connectAndAnswer(order(path, "Authorization: Bearer root")))
                    .startsWith("HTTP/1.1 200 ");
        }
    }

    /** Without keys nobody but those on this machine, who could end the process as well. */
    @Test
    void theNetworkGivesNoOrdersWithoutKeys() {
        KeyRing none = new KeyRing(List.of(), false);
        Access network = new Access(() -> none, false, "stub", Clock.systemUTC());
        Principal anyone = network.identify(List.of(), List.of());
        assertThatThrownBy(() -> network.require(anyone, Route.Needs.ADMIN))
                .isInstanceOfSatisfying(ApiException.class, e -> {
                    assertThat(e.status()).isEqualTo(403);
                    assertThat(e)
                            .hasMessageContaining(
                                    "started without keys: start it with --admin-api-key or --api-keys-file");
                });
        network.require(anyone, Route.Needs.MONITOR);
        network.require(anyone, Route.Needs.INFERENCE);
        Access local = new Access(() -> none, true, "stub", Clock.systemUTC());
        local.require(local.identify(List.of(), List.of()), Route.Needs.ADMIN);
        assertThat(AllowedHosts.resolvesToLoopback("0.0.0.0")).isFalse();
        assertThat(AllowedHosts.resolvesToLoopback("::")).isFalse();
        assertThat(AllowedHosts.resolvesToLoopback("127.0.0.1")).isTrue();
    }

    private static String atAdminPort(ServerFixture fixture, String request) throws IOException {
        try (RawClient client = new RawClient(fixture.server.adminPort())) {
            return client.send(request).readAnswer();
        }
    }

    @Test
    void ordersMayHaveAPortOfTheirOwn() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.maxConnections(1)
                        .security(new SecurityOptions(KEYS).withAdmin(new Address("127.0.0.1", 0))));
                RawClient busy = fixture.connect()) {
            busy.send(RawClient.get("/v1/models", "Authorization: Bearer user")).readAnswer();
            String root = "Authorization: Bearer root";
            assertThat(fixture.server.adminPort()).isNotEqualTo(fixture.server.port());
            assertThat(busy.send(order("/pause", root)).readAnswer()).startsWith("HTTP/1.1 404 ");

            assertThat(atAdminPort(fixture, order("/pause"))).startsWith("HTTP/1.1 401 ");
            assertThat(atAdminPort(fixture, order("/pause", root))).startsWith("HTTP/1.1 200 ");
            assertThat(atAdminPort(fixture, RawClient.get("/ready"))).startsWith("HTTP/1.1 503 ");
            assertThat(atAdminPort(fixture, RawClient.get("/metrics", root))).startsWith("HTTP/1.1 200 ");
            assertThat(atAdminPort(fixture, RawClient.get("/v1/models", root))).startsWith("HTTP/1.1 404 ");
            assertThat(atAdminPort(fixture, RawClient.post("/v1/completions", BODY, root)))
                    .startsWith("HTTP/1.1 404 ");
            assertThat(ready(fixture)).startsWith("HTTP/1.1 503 ");
            assertThat(atAdminPort(fixture, order("/resume", root))).startsWith("HTTP/1.1 200 ");
            assertThat(ready(fixture)).startsWith("HTTP/1.1 200 ");
        }
    }

    @Test
    void aPortThatIsTakenIsNamedAndNothingStaysOpen() {
        try (ServerFixture taken = new ServerFixture()) {
            assertThatThrownBy(() -> new ServerFixture(options -> options.security(
                            SecurityOptions.NONE.withAdmin(new Address("127.0.0.1", taken.server.port())))))
                    .isInstanceOf(ListenException.class)
                    .hasMessageContaining("127.0.0.1:" + taken.server.port());
        }
    }
}
