package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.scheduler.Request;
import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.Role;
import dev.apus.server.auth.SecurityOptions;
import dev.apus.server.auth.Terms;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code /v1/batches} over HTTP. */
@Timeout(60)
class BatchApiTest {
    private static final String CHAT = "/v1/chat/completions";

    @TempDir
    private Path folder;

    private static Map<String, JsonNode> lines(BatchFixture batches, String content) {
        Map<String, JsonNode> lines = new TreeMap<>();
        content.lines().forEach(line -> {
            JsonNode node = batches.server.tree(line);
            assertThat(lines.put(node.get("custom_id").asString(), node)).isNull();
        });
        return lines;
    }

    private static ScriptedEngine echo() {
        return new ScriptedEngine(new EchoScript());
    }

    @Test
    void answersALineAsTheEndpointDoes() throws Exception {
        try (BatchFixture batches = new BatchFixture(folder, echo())) {
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < 30; i++) {
                text.append(BatchFixture.chat(i, "hello " + i));
            }
            text.append(BatchFixture.line(30, CHAT, "{\"messages\":[],\"temperature\":-1}"));
            text.append(BatchFixture.line(31, CHAT, "{\"messages\":3}"));
            String id = batches.start(CHAT, text.toString());
            JsonNode batch = batches.awaitStatus(id, "completed");
            assertThat(batch.get("request_counts").toString())
                    .isEqualTo("{\"total\":32,\"completed\":30,\"failed\":2}");
            assertThat(batch.get("metadata").toString()).isEqualTo("{\"a\":\"b\"}");
            Map<String, JsonNode> answers = lines(batches, batches.content(batch, "output_file_id"));
            assertThat(answers).hasSize(30);
            for (int i = 0; i < 30; i++) {
                JsonNode line = Objects.requireNonNull(answers.get("r" + i));
                assertThat(line.get("error").isNull()).isTrue();
                JsonNode response = line.get("response");
                assertThat(response.get("status_code").asInt()).isEqualTo(200);
                assertThat(response.get("request_id").asString())
                        .isEqualTo(line.get("id").asString());
                assertThat(response.at("/body/choices/0/message/content").asString())
                        .isEqualTo("hello " + i);
                Contract.ofTheServer()
                        .check(
                                "POST",
                                CHAT,
                                200,
                                "application/json",
                                response.get("body").toString());
            }
            Map<String, JsonNode> errors = lines(batches, batches.content(batch, "error_file_id"));
            assertThat(Objects.requireNonNull(errors.get("r30"))
                            .at("/response/status_code")
                            .asInt())
                    .isEqualTo(400);
            assertThat(Objects.requireNonNull(errors.get("r31"))
                            .at("/response/body/error/param")
                            .asString())
                    .isEqualTo("messages");
            assertThat(batches.good(batches.get("/v1/files?purpose=batch_output"))
                            .get("data"))
                    .hasSize(2);
        }
    }

    @Test
    void servesEveryEndpoint() throws Exception {
        try (BatchFixture batches = new BatchFixture(folder, echo())) {
            assertOne(batches, "/v1/completions", "{\"prompt\":\"abc\",\"max_tokens\":3}", "\"text\":\"abc\"");
            assertOne(batches, "/v1/responses", "{\"input\":\"abc\",\"max_output_tokens\":3}", "\"text\":\"abc\"");
            String id = batches.start("/v1/embeddings", BatchFixture.line(0, "/v1/embeddings", "{\"input\":\"a\"}"));
            JsonNode batch = batches.awaitStatus(id, "completed");
            assertThat(batches.content(batch, "error_file_id")).contains("unsupported_model");
            assertThat(batch.get("output_file_id").isNull()).isTrue();
        }
    }

    private static void assertOne(BatchFixture batches, String endpoint, String body, String answer) throws Exception {
        String id = batches.start(endpoint, BatchFixture.line(0, endpoint, body));
        JsonNode batch = batches.awaitStatus(id, "completed");
        assertThat(batches.content(batch, "output_file_id")).contains(answer);
        assertThat(batch.get("error_file_id").isNull()).isTrue();
    }

    @Test
    void failsWithTheNumbersOfWrongLines() throws Exception {
        try (BatchFixture batches = new BatchFixture(folder, echo())) {
            String id = batches.start(
                    CHAT,
                    BatchFixture.chat(1, "a") + BatchFixture.chat(1, "a") + "{\n"
                            + BatchFixture.line(4, CHAT, "{\"model\":\"other\"}")
                            + BatchFixture.line(5, CHAT, "{\"stream\":true}"));
            JsonNode errors = batches.awaitStatus(id, "failed").at("/errors/data");
            List<String> told = new ArrayList<>();
            errors.forEach(error ->
                    told.add(error.get("line").asInt() + error.get("code").asString()));
            assertThat(told)
                    .containsExactly(
                            "2duplicate_custom_id", "3invalid_json_line", "4model_not_found", "5unsupported_parameter");
        }
    }

    @Test
    void refusesWrongOrders() throws Exception {
        try (BatchFixture batches = new BatchFixture(folder, echo())) {
            String file = batches.upload(BatchFixture.chat(0, "a")).get("id").asString();
            assertThat(batches.create("file-1", CHAT).statusCode()).isEqualTo(400);
            assertThat(batches.create(file, "/v1/models").statusCode()).isEqualTo(400);
            String order = "{\"input_file_id\":\"" + file + "\",\"endpoint\":\"" + CHAT + "\"";
            assertThat(batches.post("/v1/batches", order + "}").body()).contains("completion_window");
            assertThat(batches.post("/v1/batches", order + ",\"completion_window\":\"1h\"}")
                            .statusCode())
                    .isEqualTo(400);
            assertThat(batches.post("/v1/batches", order + ",\"completion_window\":\"24h\",\"metadata\":{\"a\":1}}")
                            .statusCode())
                    .isEqualTo(400);
            assertThat(batches.get("/v1/batches/batch_1").statusCode()).isEqualTo(404);
            assertThat(batches.post("/v1/batches/batch_1/cancel", "").statusCode())
                    .isEqualTo(404);
            assertThat(batches.post("/v1/batches/batch_1", "").statusCode()).isEqualTo(404);
            assertThat(batches.good(batches.get("/v1/batches")).get("data")).isEmpty();
        }
    }

    /** Requests of batches go behind those of clients, and are those of the tenant all the same. */
    @Test
    void runsBehindClients() throws Exception {
        List<Request> seen = new CopyOnWriteArrayList<>();
        Semaphore go = new Semaphore(0);
        ScriptedEngine engine = new ScriptedEngine(answer -> {
            seen.add(answer.request());
            if (answer.request().priority() != 0) {
                go.acquire();
            }
            answer.tokens(97);
            answer.finish(FinishReason.LENGTH, -1);
        });
        try (BatchFixture batches = new BatchFixture(folder, engine)) {
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < 20; i++) {
                text.append(BatchFixture.line(
                        i, CHAT, "{\"priority\":-5,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}"));
            }
            String id = batches.start(CHAT, text.toString());
            awaitSize(seen, 4);
            assertThat(seen)
                    .allMatch(request -> request.priority() == Integer.MAX_VALUE - 1
                            && request.tenant().name().equals("default"));
            batches.good(batches.post(CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}"));
            assertThat(seen).as("no more than the concurrency allows").hasSize(5);
            JsonNode cancelled = batches.good(batches.post("/v1/batches/" + id + "/cancel", ""));
            assertThat(cancelled.get("status").asString()).isEqualTo("cancelling");
            JsonNode end = batches.awaitStatus(id, "cancelled");
            assertThat(end.get("request_counts").toString()).isEqualTo("{\"total\":20,\"completed\":0,\"failed\":20}");
            assertThat(batches.content(end, "error_file_id")).contains("batch_cancelled");
            assertThat(batches.post("/v1/batches/" + id + "/cancel", "").statusCode())
                    .isEqualTo(409);
            go.release(100);
        }
    }

    private static void awaitSize(List<?> list, int size) throws InterruptedException {
        while (list.size() < size) {
            Thread.sleep(2);
        }
    }

    @Test
    void goesOnAfterARestart() throws Exception {
        CountDownLatch never = new CountDownLatch(1);
        List<Request> seen = new CopyOnWriteArrayList<>();
        ScriptedEngine stuck = new ScriptedEngine(answer -> {
            seen.add(answer.request());
            if (seen.size() > 6) {
                never.await();
            }
            answer.tokens(97);
            answer.finish(FinishReason.LENGTH, -1);
        });
        String id;
        try (BatchFixture batches = new BatchFixture(folder, stuck)) {
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < 20; i++) {
                text.append(BatchFixture.chat(i, "text " + i));
            }
            id = batches.start(CHAT, text.toString());
            awaitSize(seen, 10);
        }
        List<Request> again = new CopyOnWriteArrayList<>();
        ScriptedEngine well = new ScriptedEngine(answer -> {
            again.add(answer.request());
            answer.tokens(97);
            answer.finish(FinishReason.LENGTH, -1);
        });
        try (BatchFixture batches = new BatchFixture(folder, well)) {
            JsonNode batch = batches.awaitStatus(id, "completed");
            assertThat(lines(batches, batches.content(batch, "output_file_id"))).hasSize(20);
            assertThat(batch.get("error_file_id").isNull()).isTrue();
            assertThat(again).as("those that were done are not run again").hasSize(14);
        }
    }

    private static UnaryKeys keys(Terms acme) {
        return new UnaryKeys(acme);
    }

    private record UnaryKeys(Terms acme) {
        HttpOptions.Builder apply(HttpOptions.Builder options) {
            return options.security(new SecurityOptions(
                    List.of(key("sk-acme", "acme", acme, false), key("sk-other", "other", Terms.USUAL, false))));
        }

        static ApiKey key(String secret, String tenant, Terms terms, boolean disabled) {
            Principal principal = new Principal(tenant + "-key", tenant, Set.of(Role.INFERENCE), Set.of(), terms);
            return new ApiKey(ApiKey.hash(secret), principal, null, null, disabled);
        }
    }

    @Test
    void aTenantSeesItsOwnOnly() throws Exception {
        UnaryKeys keys = keys(Terms.USUAL);
        try (BatchFixture batches = new BatchFixture(Wire.HTTP_1_1, folder, echo(), "sk-acme", keys::apply)) {
            String id = batches.start(CHAT, BatchFixture.chat(0, "a"));
            JsonNode batch = batches.awaitStatus(id, "completed");
            String output = batch.get("output_file_id").asString();
            for (String path :
                    List.of("/v1/batches/" + id, "/v1/files/" + output, "/v1/files/" + output + "/content")) {
                HttpResponse<String> other =
                        batches.send(batches.request(path, "sk-other").build());
                assertThat(other.statusCode()).as(path).isEqualTo(404);
                assertThat(batches.send(batches.request(path, "sk-none").build())
                                .statusCode())
                        .isEqualTo(401);
                assertThat(batches.get(path).statusCode()).isEqualTo(200);
            }
            for (String path : List.of("/v1/batches", "/v1/files")) {
                HttpResponse<String> other =
                        batches.send(batches.request(path, "sk-other").build());
                assertThat(batches.good(other).get("data")).isEmpty();
            }
            assertThat(batches.send(batches.request("/v1/files/" + output, "sk-other")
                                    .DELETE()
                                    .build())
                            .statusCode())
                    .isEqualTo(404);
        }
    }

    /** Tokens count against the tenant's minute, requests do not; what is over waits. */
    @Test
    void tokensCountAndRequestsDoNot() throws Exception {
        // 10 requests of 2 prompt tokens and 2 of the answer; 24 tokens at once, and then one in 50 ms.
        UnaryKeys keys = keys(new Terms(1, 1, 1, 1200, 1));
        try (BatchFixture batches = new BatchFixture(Wire.HTTP_1_1, folder, echo(), "sk-acme", keys::apply)) {
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < 10; i++) {
                text.append(BatchFixture.chat(i, "ab"));
            }
            text.append(BatchFixture.chat(10, "x".repeat(1201)));
            JsonNode batch = batches.awaitStatus(batches.start(CHAT, text.toString()), "completed");
            assertThat(batch.at("/request_counts/completed").asInt()).isEqualTo(10);
            assertThat(batches.content(batch, "error_file_id"))
                    .as("a prompt that is never let in")
                    .contains("\"status_code\":429");
        }
    }

    @Test
    void aTenantWithoutKeysWaits() throws Exception {
        String id;
        CountDownLatch never = new CountDownLatch(1);
        try (BatchFixture batches = new BatchFixture(
                Wire.HTTP_1_1,
                folder,
                new ScriptedEngine(answer -> never.await()),
                "sk-acme",
                keys(Terms.USUAL)::apply)) {
            id = batches.start(CHAT, BatchFixture.chat(0, "a"));
            batches.awaitStatus(id, "in_progress");
        }
        List<Request> seen = new CopyOnWriteArrayList<>();
        ScriptedEngine watching = new ScriptedEngine(answer -> {
            seen.add(answer.request());
            answer.finish(FinishReason.LENGTH, -1);
        });
        SecurityOptions revoked = new SecurityOptions(List.of(
                UnaryKeys.key("sk-acme", "acme", Terms.USUAL, true), UnaryKeys.key("sk-b", "b", Terms.USUAL, false)));
        try (BatchFixture batches =
                new BatchFixture(Wire.HTTP_1_1, folder, watching, "sk-b", options -> options.security(revoked))) {
            assertThat(batches.get("/v1/batches/" + id).statusCode()).isEqualTo(404);
            Thread.sleep(300);
            assertThat(seen).isEmpty();
        }
        SecurityOptions other = new SecurityOptions(List.of(
                UnaryKeys.key("sk-acme", "acme", Terms.USUAL, true),
                ApiKey.ofSecret(
                        "sk-new", new Principal("new", "acme", Set.of(Role.INFERENCE), Set.of(), Terms.USUAL))));
        try (BatchFixture batches =
                new BatchFixture(Wire.HTTP_1_1, folder, echo(), "sk-new", options -> options.security(other))) {
            batches.awaitStatus(id, "completed");
        }
    }
}
