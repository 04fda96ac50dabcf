package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.Tenant;
import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.Role;
import dev.apus.server.auth.SecurityOptions;
import dev.apus.server.auth.Terms;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A tenant gets no more than its quota, and is told how much that is. */
@Timeout(30)
class QuotaTest {
    private static final String BODY = "{\"prompt\":\"hi\",\"max_tokens\":9,\"n\":2}";
    private static final String A = "Authorization: Bearer key-a";
    private static final String B = "Authorization: Bearer key-b";

    private static ServerFixture server(Terms terms) {
        return server(terms, false);
    }

    private static ServerFixture server(Terms terms, boolean isolate) {
        Principal a = new Principal("a", "acme", Set.of(Role.INFERENCE), Set.of(), terms);
        return new ServerFixture(options -> options.security(new SecurityOptions(List.of(
                        ApiKey.ofSecret("key-a", a), ApiKey.ofSecret("key-b", Principal.of("b", Role.INFERENCE))))
                .withIsolatedPrefixCache(isolate)));
    }

    private static String answer(ServerFixture fixture, String key) throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.post("/v1/completions", BODY, key));
            for (int i = 0; i < 2; i++) {
                ManualEngine.Work work = fixture.engine.next();
                work.emit("abc");
                fixture.engine.finish(work);
            }
            return client.readAnswer();
        }
    }

    @Test
    void requestsInAMinute() throws Exception {
        try (ServerFixture fixture = server(new Terms(1, 1, 2, 0, 0))) {
            assertThat(answer(fixture, A))
                    .startsWith("HTTP/1.1 200 ")
                    .contains(
                            "x-ratelimit-limit-requests: 2\r\n",
                            "x-ratelimit-remaining-requests: 1\r\n",
                            "x-ratelimit-reset-requests: ")
                    .doesNotContain("-tokens: ");
            assertThat(answer(fixture, A)).contains("x-ratelimit-remaining-requests: 0\r\n");
            assertThat(fixture.connectAndAnswer(RawClient.post("/v1/completions", BODY, A)))
                    .startsWith("HTTP/1.1 429 ")
                    .contains(
                            "retry-after: ",
                            "x-ratelimit-remaining-requests: 0\r\n",
                            "\"type\":\"rate_limit_error\"",
                            "\"code\":\"rate_limit_exceeded\"",
                            "'acme'");
            assertThat(fixture.connectAndAnswer(RawClient.get("/v1/models", A)))
                    .as("what does not make the engine work is free")
                    .startsWith("HTTP/1.1 200 ");
            assertThat(answer(fixture, B)).startsWith("HTTP/1.1 200 ").doesNotContain("x-ratelimit");
        }
    }

    /** Two of the prompt, once, and three of each choice. */
    @Test
    void tokensInAMinute() throws Exception {
        try (ServerFixture fixture = server(new Terms(1, 1, 0, 9, 0))) {
            assertThat(answer(fixture, A)).contains("x-ratelimit-remaining-tokens: 9\r\n");
            String long2 = BODY.replace("hi", "four");
            assertThat(fixture.connectAndAnswer(RawClient.post("/v1/completions", long2, A)))
                    .startsWith("HTTP/1.1 429 ")
                    .contains("retry-after: ", "x-ratelimit-remaining-tokens: ", "4 are needed");
            assertThat(fixture.connectAndAnswer(
                            RawClient.post("/v1/completions", BODY.replace("hi", "ten letters"), A)))
                    .startsWith("HTTP/1.1 429 ")
                    .contains("11 tokens")
                    .doesNotContain("retry-after: ");
            assertThat(fixture.engine.live()).isZero();
        }
    }

    @Test
    void whatTheEngineRefusesCostsNoTokens() throws Exception {
        try (ServerFixture fixture = server(new Terms(1, 1, 0, 8, 0))) {
            fixture.engine.room.set(0);
            for (int i = 0; i < 5; i++) {
                assertThat(fixture.connectAndAnswer(RawClient.post("/v1/completions", BODY, A)))
                        .startsWith("HTTP/1.1 429 ")
                        .contains("queue_full", "x-ratelimit-remaining-tokens: 8\r\n");
            }
            fixture.engine.room.set(100);
            assertThat(answer(fixture, A)).startsWith("HTTP/1.1 200 ");
        }
    }

    /** Whether a client takes its answer, is refused or goes away: its place is free again. */
    @Test
    void requestsAtOneTime() throws Exception {
        try (ServerFixture fixture = server(new Terms(1, 1, 0, 0, 1))) {
            for (int i = 0; i < 3; i++) {
                try (RawClient client = fixture.connect()) {
                    fixture.engine.room.set(100);
                    client.send(RawClient.post("/v1/completions", BODY, A));
                    ManualEngine.Work first = fixture.engine.next();
                    assertThat(first.request.tenant()).isEqualTo(new Tenant("acme", 1, 1));
                    ManualEngine.Work second = fixture.engine.next();
                    assertThat(fixture.connectAndAnswer(RawClient.post("/v1/completions", BODY, A)))
                            .startsWith("HTTP/1.1 429 ")
                            .contains("retry-after: 1\r\n", "may have 1 at one time");
                    if (i == 0) {
                        fixture.engine.finish(first);
                        fixture.engine.finish(second);
                        assertThat(client.readAnswer()).startsWith("HTTP/1.1 200 ");
                    }
                }
                ServerFixture.await("free again", () -> {
                    fixture.engine.room.set(0);
                    String answer = fixture.connectAndAnswer(RawClient.post("/v1/completions", BODY, A));
                    return answer.contains("queue_full");
                });
            }
            assertThat(fixture.connectAndAnswer(RawClient.post("/v1/completions", "{}", A)))
                    .startsWith("HTTP/1.1 400 ");
            assertThat(fixture.connectAndAnswer(RawClient.post("/v1/completions", BODY, A)))
                    .contains("queue_full");
        }
    }

    @Test
    void theTenantsShareGoesToTheEngine() throws Exception {
        try (ServerFixture fixture = server(new Terms(2.5, 0.25, 0, 0, 0));
                RawClient client = fixture.connect()) {
            client.send(RawClient.post("/v1/completions", BODY, A));
            assertThat(fixture.engine.next().request.tenant()).isEqualTo(new Tenant("acme", 2.5, 0.25));
        }
    }

    @Test
    void thePrefixCacheIsApartIfWanted() throws Exception {
        String salted = "{\"prompt\":\"hi\",\"cache_salt\":\"s\"}";
        try (ServerFixture fixture = server(Terms.USUAL, true);
                RawClient a = fixture.connect();
                RawClient b = fixture.connect()) {
            a.send(RawClient.post("/v1/completions", BODY, A));
            assertThat(fixture.engine.next().request.cacheSalt()).isEqualTo("acme\n");
            fixture.engine.next();
            b.send(RawClient.post("/v1/completions", salted, B));
            assertThat(fixture.engine.next().request.cacheSalt()).isEqualTo("default\ns");
        }
        try (ServerFixture fixture = server(Terms.USUAL, false);
                RawClient b = fixture.connect()) {
            b.send(RawClient.post("/v1/completions", salted, B));
            assertThat(fixture.engine.next().request.cacheSalt()).isEqualTo("s");
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 0ms", "0.0201, 21ms", "1, 1s", "1.54, 1.5s", "59.9, 59.9s", "60, 1m0s", "360.2, 6m1s"})
    void timesAreWrittenAsOpenAiDoes(double seconds, String text) {
        assertThat(RateLimits.duration(seconds)).isEqualTo(text);
    }
}
