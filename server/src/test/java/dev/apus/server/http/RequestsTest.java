package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.RequestStats;
import dev.apus.scheduler.RequestStats.State;
import dev.apus.server.auth.SecurityOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The list of the requests in flight, and the order that ends some. */
@Timeout(60)
class RequestsTest {
    private final JsonMapper json = new JsonMapper();

    private JsonNode list(ServerFixture fixture) {
        String answer = fixture.connectAndAnswer(RawClient.get("/debug/requests"));
        assertThat(answer).startsWith("HTTP/1.1 200 ").contains("\r\ncache-control: no-store\r\n");
        String body = answer.substring(answer.indexOf("\r\n\r\n") + 4);
        assertThat(Contract.ofTheServer().check("GET", "/debug/requests", 200, "application/json", body))
                .isTrue();
        return json.readTree(body);
    }

    private static RawClient ask(ServerFixture fixture, String id, String more) throws IOException {
        return fixture.connect()
                .send(RawClient.post(
                        "/v1/completions",
                        "{\"prompt\":\"secret\",\"max_tokens\":50" + more + "}",
                        "X-Request-Id: " + id));
    }

    private static String abort(ServerFixture fixture, String body, String... headers) {
        return fixture.connectAndAnswer(RawClient.post("/abort_requests", body, headers));
    }

    @Test
    void aRequestIsToldFromItsHeadToItsLastByte() throws Exception {
        try (ServerFixture fixture = new ServerFixture()) {
            assertThat(list(fixture).get("total").asInt()).isZero();
            try (RawClient client = ask(fixture, "job/1", ",\"n\":2,\"priority\":3,\"stream\":true")) {
                ManualEngine.Work first = fixture.engine.next();
                ManualEngine.Work second = fixture.engine.next();
                String id = first.request.id();
                fixture.engine.stats(new RequestStats(id, State.WAITING, 6, 0, 0, 0));
                fixture.engine.stats(new RequestStats(second.request.id(), State.PREEMPTED, 6, 4, 0, 2));
                ServerFixture.await(
                        "it is submitted",
                        () -> list(fixture).at("/data/0/sequences").asInt() == 2);
                JsonNode row = list(fixture).at("/data/0");
                assertThat(row.get("request_id").asString()).isEqualTo("job/1");
                assertThat(row.get("path").asString()).isEqualTo("/v1/completions");
                assertThat(row.get("tenant").asString()).isEqualTo("default");
                assertThat(row.get("state").asString()).isEqualTo("waiting");
                assertThat(row.get("priority").asInt()).isEqualTo(3);
                assertThat(row.get("prompt_tokens").asInt()).isEqualTo(12);
                assertThat(row.get("cached_tokens").asInt()).isEqualTo(4);
                assertThat(row.get("max_tokens").asInt()).isEqualTo(100);
                assertThat(row.get("preemptions").asInt()).isEqualTo(2);
                assertThat(row.get("generated_tokens").asInt()).isZero();

                fixture.engine.stats(new RequestStats(id, State.RUNNING, 6, 0, 8, 0));
                first.emit("abc");
                second.emit("d");
                client.readUntil("\"d\"");
                row = list(fixture).at("/data/0");
                assertThat(row.get("state").asString()).isEqualTo("running");
                assertThat(row.get("computed_tokens").asInt()).isEqualTo(8);
                assertThat(row.get("generated_tokens").asInt()).isEqualTo(4);
                assertThat(row.get("tokens_per_second").asDouble()).isPositive();
                assertThat(row.get("age_seconds").asDouble()).isBetween(0.0, 60.0);
                assertThat(row.toString()).doesNotContain("secret", "abc");

                fixture.engine.finish(first);
                fixture.engine.finish(second);
                client.readUntil("[DONE]");
            }
            ServerFixture.await("it has left", () -> list(fixture).get("total").asInt() == 0);
        }
    }

    @Test
    void anEngineThatTellsNothingIsKnownByWhatItSays() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawClient client = ask(fixture, "a", ",\"stream\":true")) {
            ManualEngine.Work work = fixture.engine.next();
            ServerFixture.await("it waits", () -> state(fixture).equals("waiting"));
            work.emit("x");
            ServerFixture.await("it runs", () -> state(fixture).equals("running"));
            client.reset();
        }
    }

    private String state(ServerFixture fixture) {
        return list(fixture).at("/data/0/state").asString("");
    }

    /** Many at once, while they come and go: every answer is whole, ordered and bounded. */
    @Test
    void theListIsRightUnderLoad() throws Exception {
        int many = 1100;
        try (ServerFixture fixture = new ServerFixture(options -> options.maxConnections(2000))) {
            List<RawClient> clients = new ArrayList<>();
            try {
                for (int i = 0; i < many; i++) {
                    clients.add(ask(fixture, "r" + i, ",\"stream\":true"));
                    ManualEngine.Work work = fixture.engine.next();
                    work.emit("xy");
                    if (i % 100 == 99) {
                        check(list(fixture), i + 1);
                    }
                }
                JsonNode all = list(fixture);
                assertThat(all.get("total").asInt()).isEqualTo(many);
                assertThat(all.get("data").size()).isEqualTo(1000);
                Thread reset = Thread.ofVirtual().start(() -> clients.forEach(RequestsTest::reset));
                while (reset.isAlive()) {
                    check(list(fixture), many);
                }
                ServerFixture.await(
                        "all have gone", () -> list(fixture).get("total").asInt() == 0);
            } finally {
                for (RawClient client : clients) {
                    client.close();
                }
            }
        }
    }

    private static void check(JsonNode list, int most) {
        assertThat(list.get("total").asInt()).isBetween(0, most);
        Set<String> ids = new HashSet<>();
        double age = Double.MAX_VALUE;
        for (JsonNode row : list.get("data")) {
            assertThat(ids.add(row.get("request_id").asString())).isTrue();
            assertThat(row.get("age_seconds").asDouble()).isLessThanOrEqualTo(age);
            age = row.get("age_seconds").asDouble();
        }
    }

    private static void reset(RawClient client) {
        try {
            client.reset();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void requestsAreEndedByTheirIds() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawClient one = ask(fixture, "one", "")) {
            ManualEngine.Work gone = fixture.engine.next();
            try (RawClient two = ask(fixture, "two", "")) {
                ManualEngine.Work stays = fixture.engine.next();
                gone.emit("part");
                ServerFixture.await(
                        "both are known",
                        () -> list(fixture).at("/data/1/sequences").asInt() == 1);
                assertThat(abort(fixture, "{\"request_ids\":[\"one\",\"nobody\"]}"))
                        .startsWith("HTTP/1.1 200 ")
                        .endsWith("{\"aborted\":1}");
                assertThat(one.readAnswer()).contains("\"text\":\"part\"", "\"finish_reason\":\"abort\"");
                assertThat(fixture.engine.aborted()).containsExactly(gone.request.id());
                stays.emit("whole");
                fixture.engine.finish(stays);
                assertThat(two.readAnswer()).contains("whole");
            }
        }
    }

    /** The list goes by what came; a response that runs without its client is one more. */
    @Test
    void aBackgroundResponseIsListedAndEnded() throws Exception {
        try (ServerFixture fixture = new ServerFixture()) {
            String answer = fixture.connectAndAnswer(
                    RawClient.post("/v1/responses", "{\"input\":\"hi\",\"background\":true}", "X-Request-Id: alone"));
            assertThat(answer).startsWith("HTTP/1.1 200 ");
            ManualEngine.Work work = fixture.engine.next();
            ServerFixture.await(
                    "it is known", () -> list(fixture).at("/data/0/sequences").asInt() == 1);
            assertThat(list(fixture).at("/data/0/request_id").asString()).isEqualTo("alone");
            assertThat(abort(fixture, "{\"request_ids\":[\"alone\"]}")).endsWith("{\"aborted\":1}");
            assertThat(fixture.engine.aborted()).containsExactly(work.request.id());
            ServerFixture.await("it has left", () -> list(fixture).get("total").asInt() == 0);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "{\"request_ids\":\"a\"}", "{\"request_ids\":[1]}", "{\"request_ids\":null}", "[]"})
    void aWrongOrderIsRefused(String body) {
        try (ServerFixture fixture = new ServerFixture()) {
            assertThat(abort(fixture, body)).startsWith("HTTP/1.1 400 ");
        }
    }

    @Test
    void onlyThoseWithTheRoleSeeAndEnd() throws Exception {
        SecurityOptions security = new SecurityOptions(SecurityOptions.keys(List.of("user"), List.of("root")));
        try (ServerFixture fixture = new ServerFixture(options -> options.security(security))) {
            assertThat(fixture.connectAndAnswer(RawClient.get("/debug/requests")))
                    .startsWith("HTTP/1.1 401 ");
            assertThat(fixture.connectAndAnswer(RawClient.get("/debug/requests", "Authorization: Bearer user")))
                    .startsWith("HTTP/1.1 200 ");
            String order = "{\"request_ids\":[\"x\"]}";
            assertThat(abort(fixture, order)).startsWith("HTTP/1.1 401 ");
            assertThat(abort(fixture, order, "Authorization: Bearer user")).startsWith("HTTP/1.1 403 ");
            assertThat(abort(fixture, order, "Authorization: Bearer root")).endsWith("{\"aborted\":0}");
        }
    }
}
