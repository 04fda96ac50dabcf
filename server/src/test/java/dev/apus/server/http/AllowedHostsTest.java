package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A web page whose name resolves to the loopback address is not answered. */
@Timeout(30)
class AllowedHostsTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "localhost",
                "LocalHost:8000",
                "localhost.",
                "127.0.0.1",
                "127.1.2.3:80",
                "[::1]",
                "[::1]:8000",
                "[0:0:0:0:0:0:0:1]",
                " localhost "
            })
    void theLoopbacksNamesAreAnswered(String host) {
        assertThat(new AllowedHosts("127.0.0.1", Set.of()).allows(host)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "evil.example",
                "evil.example:8000",
                "localhost.evil.example",
                "127.0.0.1.evil.example",
                "10.0.0.1",
                "[::2]:8000",
                "[::1",
                "localhost@evil.example",
                "*"
            })
    void othersAreNot(String host) {
        assertThat(new AllowedHosts("127.0.0.1", Set.of()).allows(host)).isFalse();
        assertThat(new AllowedHosts("localhost", Set.of()).allows(host)).isFalse();
    }

    @Test
    void namesMayBeAllowed() {
        AllowedHosts some = new AllowedHosts("127.0.0.1", Set.of("Proxy.example"));
        assertThat(some.allows("proxy.example:443")).isTrue();
        assertThat(some.allows("localhost")).isTrue();
        assertThat(some.allows("evil.example")).isFalse();
        assertThat(new AllowedHosts("127.0.0.1", Set.of("*")).allows("evil.example"))
                .isTrue();
    }

    @Test
    void anAddressOfTheNetworkHasAllNamesUnlessSomeAreAllowed() {
        assertThat(new AllowedHosts("0.0.0.0", Set.of()).allows("any.example")).isTrue();
        AllowedHosts some = new AllowedHosts("0.0.0.0", Set.of("api.example"));
        assertThat(some.allows("api.example")).isTrue();
        assertThat(some.allows("any.example")).isFalse();
    }

    @Test
    void theTargetsOwnHostCountsBeforeTheHeader() {
        try (ServerFixture fixture = new ServerFixture()) {
            assertThat(fixture.connectAndAnswer("GET http://evil.example/version HTTP/1.1\r\nHost: localhost\r\n\r\n"))
                    .contains(" 403 ", "host_not_allowed");
            assertThat(fixture.connectAndAnswer(
                            "GET http://localhost@evil.example/version HTTP/1.1\r\nHost: localhost\r\n\r\n"))
                    .contains(" 403 ");
            assertThat(fixture.connectAndAnswer(
                            "GET http://localhost:80/version HTTP/1.1\r\nHost: localhost:80\r\n\r\n"))
                    .contains(" 200 ");
        }
    }

    @Test
    void theServerRefusesAnotherName() {
        try (ServerFixture fixture = new ServerFixture()) {
            String request = "GET /health HTTP/1.1\r\nHost: %s\r\n\r\n";
            assertThat(fixture.connectAndAnswer(request.formatted("evil.example:" + fixture.server.port())))
                    .contains(" 403 ", "host_not_allowed", "--allowed-hosts", "connection: close");
            assertThat(fixture.connectAndAnswer(request.formatted("127.0.0.1:" + fixture.server.port())))
                    .contains(" 200 ");
        }
    }
}
