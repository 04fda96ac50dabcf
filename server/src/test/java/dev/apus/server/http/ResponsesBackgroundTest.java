package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.Role;
import dev.apus.server.auth.SecurityOptions;
import dev.apus.server.auth.Terms;
import dev.apus.server.http.NamedEvents.Event;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Responses that are made without their client. */
@Timeout(60)
class ResponsesBackgroundTest {
    private static final String PATH = ResponsesTest.PATH;

    private static final String MINE = "sk-mine-1";
    private static final String THEIRS = "sk-theirs-1";
    private static final List<ApiKey> TWO_TENANTS = List.of(key(MINE, "mine"), key(THEIRS, "theirs"));

    private final ServerFixture fixture = new ServerFixture();
    private final JsonMapper json = new JsonMapper();

    private static ApiKey key(String secret, String tenant) {
        return ApiKey.ofSecret(secret, new Principal(tenant, tenant, Set.of(Role.INFERENCE), Set.of(), Terms.USUAL));
    }

    @AfterEach
    void close() {
        fixture.close();
    }

    @Test
    void runsOnWithoutItsClient() throws Exception {
        JsonNode created = post("{\"input\":\"a\",\"background\":true,\"max_output_tokens\":9}");
        assertThat(created.get("status").asString()).isEqualTo("queued");
        String id = created.get("id").asString();
        ManualEngine.Work work = fixture.engine.next();
        assertThat(status(id)).isEqualTo("queued");

        work.emit("ok");
        ServerFixture.await("the first token", () -> status(id).equals("in_progress"));
        fixture.engine.finish(work);
        ServerFixture.await("the end", () -> status(id).equals("incomplete"));

        JsonNode ended = get("/" + id);
        assertThat(ResponsesTest.text(ended)).isEqualTo("ok");
        assertThat(ended.at("/usage/output_tokens").asInt()).isEqualTo(2);
        assertThat(fixture.engine.aborted()).isEmpty();
    }

    /** What follows the head on the connection is the next answer. */
    @Test
    void headOfAStreamHasNoBody() throws Exception {
        String id = post("{\"input\":\"a\",\"background\":true,\"stream\":false}")
                .get("id")
                .asString();
        ManualEngine.Work work = fixture.engine.next();
        work.emit("ok");
        fixture.engine.finish(work);
        ServerFixture.await("the end", () -> !status(id).equals("queued"));
        try (RawClient client = fixture.connect()) {
            String head = "HEAD " + PATH + "/" + id + "?stream=true HTTP/1.1\r\nHost: localhost\r\n\r\n";
            client.send(head + RawClient.get("/ping"));
            assertThat(client.readUntil("\r\n\r\n")).startsWith("HTTP/1.1 200 ").doesNotContain("event-stream");
            assertThat(client.readUntil("\r\n\r\n")).startsWith("HTTP/1.1 200 ");
        }
    }

    @Test
    void isCancelledWhileItIsQueued() throws Exception {
        String id = post("{\"input\":\"a\",\"background\":true}").get("id").asString();
        ManualEngine.Work work = fixture.engine.next();

        JsonNode cancelled = cancel(id);
        assertThat(cancelled.get("status").asString()).isEqualTo("cancelled");
        assertThat(fixture.engine.aborted()).containsExactly(work.request.id());
        // Again, it is told the same.
        assertThat(cancel(id)).isEqualTo(cancelled);
        assertThat(status(id)).isEqualTo("cancelled");
        assertThat(post("{\"input\":\"b\",\"previous_response_id\":\"" + id + "\"}")
                        .at("/error/message")
                        .asString())
                .contains("cancelled");
    }

    @Test
    void whatIsDeletedIsAborted() throws Exception {
        String id = post("{\"input\":\"a\",\"background\":true}").get("id").asString();
        fixture.engine.next().emit("x");

        answer("DELETE " + PATH + "/" + id + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
        ServerFixture.await("the abort", () -> fixture.engine.aborted().size() == 1);
        assertThat(fixture.connectAndAnswer(RawClient.get(PATH + "/" + id))).contains(" 404 ");
    }

    @Test
    void itsStreamIsReadAgainFromAnyEventOn() throws Exception {
        String id;
        ManualEngine.Work work;
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.post(PATH, "{\"input\":\"a\",\"background\":true,\"stream\":true}"));
            work = fixture.engine.next();
            work.emit("one ");
            String seen = client.readUntil("\"delta\":\"one \",\"logprobs\":[]}\n\n");
            assertThat(seen)
                    .contains("event: response.created", "event: response.queued", "event: response.in_progress");
            id = seen.replaceFirst("(?s).*?\"id\":\"(resp_\\w+)\".*", "$1");
        }
        // The client has gone; the response has not.
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.get(PATH + "/" + id + "?stream=true&starting_after=2"));
            client.readUntil("\"delta\":\"one \",\"logprobs\":[]}\n\n");
            work.emit("two");
            client.readUntil("\"delta\":\"two\",\"logprobs\":[]}\n\n");
            fixture.engine.finish(work);
            assertThat(client.readUntil("0\r\n\r\n")).contains("event: response.incomplete");
        }
        assertThat(fixture.engine.aborted()).isEmpty();

        List<Event> all = replay(id, "");
        List<Event> rest = replay(id, "&starting_after=3");
        assertThat(all.getFirst().name()).isEqualTo("response.created");
        assertThat(ResponsesTest.deltas(all)).isEqualTo("one two");
        for (int i = 0; i < all.size(); i++) {
            assertThat(all.get(i).data().get("sequence_number").asInt()).isEqualTo(i);
        }
        assertThat(rest).isEqualTo(all.subList(4, all.size()));
        assertThat(replay(id, "&starting_after=9999")).isEmpty();
        assertThat(all.getLast().data().get("response")).isEqualTo(get("/" + id));
    }

    private List<Event> replay(String id, String more) throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send("GET " + PATH + "/" + id + "?stream=true" + more + " HTTP/1.0\r\nHost: localhost\r\n\r\n");
            String answer = client.readAll();
            return NamedEvents.parse(answer.substring(answer.indexOf("\r\n\r\n") + 4));
        }
    }

    @Test
    void cancellingEndsItsStream() throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.post(PATH, "{\"input\":\"a\",\"background\":true,\"stream\":true}"));
            fixture.engine.next().emit("x");
            String id = client.readUntil("\"delta\":\"x\",\"logprobs\":[]}\n\n")
                    .replaceFirst("(?s).*?\"id\":\"(resp_\\w+)\".*", "$1");
            cancel(id);
            assertThat(client.readUntil("0\r\n\r\n")).contains("\"status\":\"cancelled\"");
        }
    }

    @Test
    void aStopWaitsForIt() throws Exception {
        String id = post("{\"input\":\"a\",\"background\":true}").get("id").asString();
        ManualEngine.Work work = fixture.engine.next();
        fixture.server.beginShutdown();
        assertThat(fixture.server.drained().isDone()).isFalse();

        fixture.engine.finish(work);
        fixture.server.drained().get(10, TimeUnit.SECONDS);
        assertThat(status(id)).isEqualTo("incomplete");
    }

    @Test
    void aStopEndsItAtLast() throws Exception {
        post("{\"input\":\"a\",\"background\":true}");
        fixture.engine.next();
        fixture.server.close();
        assertThat(fixture.engine.live()).isZero();
    }

    @Test
    void aForegroundResponseEndsWithItsClient() throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.post(PATH, "{\"input\":\"a\",\"stream\":true}"));
            fixture.engine.next();
            // It has begun before there is a token.
            assertThat(client.readUntil("}}\n\n")).contains("event: response.created");
        }
        ServerFixture.await("the abort", () -> fixture.engine.aborted().size() == 1);
    }

    @Test
    void othersDoNotSeeIt() throws Exception {
        SecurityOptions keys = new SecurityOptions(TWO_TENANTS);
        try (ServerFixture guarded = new ServerFixture(options -> options.security(keys))) {
            String mine = "Authorization: Bearer " + MINE;
            String theirs = "Authorization: Bearer " + THEIRS;
            String created =
                    guarded.connectAndAnswer(RawClient.post(PATH, "{\"input\":\"a\",\"background\":true}", mine));
            String id = created.replaceFirst("(?s).*?\"id\":\"(resp_\\w+)\".*", "$1");

            assertThat(guarded.connectAndAnswer(RawClient.get(PATH + "/" + id, mine)))
                    .contains(" 200 ");
            for (String other : List.of(
                    RawClient.get(PATH + "/" + id, theirs),
                    RawClient.get(PATH + "/" + id + "/input_items", theirs),
                    RawClient.post(PATH + "/" + id + "/cancel", "", theirs),
                    "DELETE " + PATH + "/" + id + " HTTP/1.1\r\nHost: localhost\r\n" + theirs + "\r\n\r\n")) {
                assertThat(guarded.connectAndAnswer(other)).contains(" 404 ");
            }
            assertThat(guarded.connectAndAnswer(
                            RawClient.post(PATH, "{\"input\":\"a\",\"previous_response_id\":\"" + id + "\"}", theirs)))
                    .contains(" 400 ", "previous_response_not_found");
            assertThat(guarded.engine.aborted()).isEmpty();
        }
    }

    private JsonNode post(String body) {
        return answer(RawClient.post(PATH, body));
    }

    private JsonNode get(String path) {
        return answer(RawClient.get(PATH + path));
    }

    private JsonNode cancel(String id) {
        return answer("POST " + PATH + "/" + id + "/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    }

    private String status(String id) {
        return get("/" + id).get("status").asString();
    }

    private JsonNode answer(String request) {
        String answer = fixture.connectAndAnswer(request);
        return json.readTree(answer.substring(answer.indexOf("\r\n\r\n") + 4));
    }
}
