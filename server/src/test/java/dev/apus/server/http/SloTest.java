package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.scheduler.EngineEvent.FailureKind;
import dev.apus.scheduler.Request;
import dev.apus.scheduler.SamplingParams;
import dev.apus.scheduler.Tenant;
import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.Role;
import dev.apus.server.auth.SecurityOptions;
import dev.apus.server.auth.Terms;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** The headers that say when an answer is wanted and for whom, and what a client is told that cannot have it. */
@Timeout(30)
class SloTest {
    private static final long SECOND = 1_000_000_000;
    private static final String PATH = "/v1/completions";

    private final ManualEngine engine = new ManualEngine();
    private final ApiServer server = new ApiServer(new CharTokenizer(), engine);

    @AfterEach
    void close() {
        server.close();
    }

    @Test
    void headersReachTheEngine() throws Exception {
        Request request = taken(
                "{\"prompt\":\"a\"}",
                Slo.TTFT,
                "250.5",
                Slo.TIMEOUT,
                "1.5",
                Slo.PRIORITY,
                "-3",
                Slo.FAIRNESS,
                "team/a");
        assertThat(request.ttftDeadlineNanos()).isEqualTo(250_500_000);
        assertThat(request.deadlineNanos()).isEqualTo(SECOND * 3 / 2);
        assertThat(request.priority()).isEqualTo(-3);
        assertThat(request.tenant()).isEqualTo(Tenant.named("team/a"));
    }

    @Test
    void withoutThemNothingChangesAndTheBodysPriorityGoesFirst() throws Exception {
        Request request = taken("{\"prompt\":\"a\"}");
        assertThat(request.ttftDeadlineNanos()).isZero();
        assertThat(request.deadlineNanos()).isZero();
        assertThat(request.tenant()).isEqualTo(Tenant.DEFAULT);
        assertThat(taken("{\"prompt\":\"a\",\"priority\":7}", Slo.PRIORITY, "2").priority())
                .isEqualTo(7);
    }

    @Test
    void theShorterOfTwoDeadlinesCounts() {
        Request request = new Request("r", new int[] {1}, SamplingParams.greedy(1)).withDeadlineNanos(2 * SECOND);
        assertThat(slo(Slo.TIMEOUT, "5").apply(request).deadlineNanos()).isEqualTo(2 * SECOND);
        assertThat(slo(Slo.TIMEOUT, "0.5").apply(request).deadlineNanos()).isEqualTo(SECOND / 2);
    }

    @ParameterizedTest
    @CsvSource({
        "x-slo-ttft-ms, abc",
        "x-slo-ttft-ms, -1",
        "x-slo-ttft-ms, 0",
        "x-slo-ttft-ms, 86400001",
        "x-slo-ttft-ms, ''",
        "x-slo-ttft-ms, 1e3",
        "x-slo-ttft-ms, NaN",
        "x-slo-ttft-ms, 0x10",
        "x-slo-ttft-ms, 99999999999999999999999999",
        "x-request-timeout, 86400.5",
        "x-request-timeout, 1s",
        "x-request-timeout, .5",
        "x-request-priority, 1.5",
        "x-request-priority, 99999999999",
        "x-gateway-inference-fairness-id, a b",
        "x-gateway-inference-fairness-id, ''",
    })
    void wrongValuesAreRefusedByName(String header, String value) {
        assertThatThrownBy(() -> slo(header, value))
                .isInstanceOfSatisfying(
                        ApiException.class, e -> assertThat(e.status()).isEqualTo(400))
                .hasMessageContaining(header);
    }

    @Test
    void aRefusedHeaderIsTheParameterAtFault() throws Exception {
        HttpResponse<String> answer =
                send("{\"prompt\":\"a\"}", Slo.TTFT, "soon").join();
        assertThat(answer.statusCode()).isEqualTo(400);
        JsonNode error = server.tree(answer.body()).get("error");
        assertThat(error.get("param").stringValue()).isEqualTo(Slo.TTFT);
        assertThat(error.get("message").stringValue()).contains("'soon'", "milliseconds above 0, at most 86400000");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whoWaitedInVainGets503AndWhen(boolean stream) throws Exception {
        CompletableFuture<HttpResponse<String>> sent = send("{\"prompt\":\"a\",\"stream\":" + stream + "}");
        engine.fail(engine.next(), FailureKind.QUEUE_EXPIRED, "waited too long");
        HttpResponse<String> answer = sent.join();
        assertThat(answer.statusCode()).isEqualTo(503);
        assertThat(answer.headers().firstValueAsLong("retry-after").orElseThrow())
                .isPositive();
        assertThat(server.tree(answer.body()).get("error").get("code").stringValue())
                .isEqualTo("queue_expired");
    }

    @Test
    void aRequestThatIsNotDoneInTimeGets504() throws Exception {
        CompletableFuture<HttpResponse<String>> sent = send("{\"prompt\":\"a\"}");
        engine.fail(engine.next(), FailureKind.DEADLINE, "not done in time");
        HttpResponse<String> answer = sent.join();
        assertThat(answer.statusCode()).isEqualTo(504);
        assertThat(server.tree(answer.body()).get("error").get("code").stringValue())
                .isEqualTo("request_timeout");
    }

    @Test
    void aStreamThatIsNotDoneInTimeEndsWithAnErrorEvent() throws Exception {
        CompletableFuture<HttpResponse<String>> sent = send("{\"prompt\":\"a\",\"stream\":true}");
        ManualEngine.Work work = engine.next();
        work.emit("xyz");
        engine.fail(work, FailureKind.DEADLINE, "not done in time");
        HttpResponse<String> answer = sent.join();
        assertThat(answer.statusCode()).isIn(200, 504);
        assertThat(answer.body()).contains("\"code\":\"request_timeout\"");
    }

    /** Whatever the key is called: one named as those without a key cannot be made. */
    @Test
    void whoHasAKeyDoesNotChooseTheTenant() throws Exception {
        List<ApiKey> keys = List.of(
                ApiKey.ofSecret("usual", Principal.of("usual", Role.INFERENCE)),
                ApiKey.ofSecret(
                        "acme", new Principal("default", "acme", Set.of(Role.INFERENCE), Set.of(), Terms.USUAL)));
        try (ServerFixture fixture = new ServerFixture(options -> options.security(new SecurityOptions(keys)))) {
            for (Map.Entry<String, String> sent :
                    Map.of("usual", "default", "acme", "acme").entrySet()) {
                try (RawClient client = fixture.connect()) {
                    client.send(RawClient.post(
                            PATH,
                            "{\"prompt\":\"a\"}",
                            "Authorization: Bearer " + sent.getKey(),
                            Slo.FAIRNESS + ": rival"));
                    ManualEngine.Work work = fixture.engine.next();
                    assertThat(work.request.tenant().name()).isEqualTo(sent.getValue());
                    fixture.engine.finish(work);
                    assertThat(client.readAnswer()).startsWith("HTTP/1.1 200 ");
                }
            }
        }
        assertThatThrownBy(() -> ApiKey.ofSecret("x", Principal.of("none", Role.INFERENCE)))
                .hasMessageContaining("must not be called 'none'");
    }

    /** The request that the engine was given; it ends at once. */
    private Request taken(String body, String... headers) throws InterruptedException {
        CompletableFuture<HttpResponse<String>> sent = send(body, headers);
        ManualEngine.Work work = engine.next();
        engine.finish(work);
        assertThat(sent.join().statusCode()).isEqualTo(200);
        return work.request;
    }

    private static Slo slo(String header, String value) {
        return Slo.read(Map.of(header, value)::get);
    }

    private CompletableFuture<HttpResponse<String>> send(String body, String... headers) {
        HttpRequest.Builder request = HttpRequest.newBuilder(server.request(PATH, body), (name, value) -> true);
        if (headers.length > 0) {
            request.headers(headers);
        }
        return server.client().sendAsync(request.build(), BodyHandlers.ofString());
    }
}
