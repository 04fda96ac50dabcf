package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.scheduler.Seeds;
import dev.apus.scheduler.ServedModel;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

@Timeout(30)
class HttpServerTest {
    private final StubEngine engine = new StubEngine();
    private final Wire wire = wire();
    private final HttpServer server = HttpServer.start(
            new ServedModel(
                    "stub",
                    new CharTokenizer(),
                    HttpServerTest::lastContent,
                    Map.of(),
                    4096,
                    CharTokenizer.SIZE,
                    Map.of(),
                    engine),
            wire.options(HttpOptions.builder())
                    .port(0)
                    .maxBodyBytes(100_000)
                    .readTimeout(Duration.ofMillis(500))
                    .build());
    private final HttpClient client = wire.client();
    private final JsonMapper json = new JsonMapper();

    /** What the tests speak; others' for the classes that extend this one. */
    Wire wire() {
        return Wire.HTTP_1_1;
    }

    @AfterEach
    void close() {
        client.close();
        server.close();
        engine.close();
    }

    @Test
    void answersAChat() throws Exception {
        HttpResponse<String> response = post(
                "/v1/chat/completions",
                "{\"model\":\"stub\",\"messages\":[{\"role\":\"user\",\"content\":\"ab\\\"ü\"}],\"max_tokens\":5,\"odd\":1}");

        JsonNode answer = json.readTree(response.body());
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(answer.at("/choices/0/message/content").asString()).isEqualTo("ab\"üa");
        assertThat(answer.at("/choices/0/finish_reason").asString()).isEqualTo("length");
        assertThat(answer.at("/usage/prompt_tokens").asInt()).isEqualTo(4);
        assertThat(answer.at("/usage/completion_tokens").asInt()).isEqualTo(5);
        assertThat(response.headers().firstValue("warning"))
                .hasValueSatisfying(text -> assertThat(text).contains("odd"));
    }

    @Test
    void streamsTheSameTextAsTheWholeAnswer() throws Exception {
        String body =
                "{\"prompt\":[\"one\\n😀\",\"two\"],\"n\":2,\"max_tokens\":20,\"stop\":[\"eon\",\"twot\"],\"logprobs\":1";
        JsonNode whole = json.readTree(post("/v1/completions", body + "}").body());
        String streamed = post(
                        "/v1/completions", body + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}")
                .body();

        StringBuilder[] texts = {new StringBuilder(), new StringBuilder(), new StringBuilder(), new StringBuilder()};
        JsonNode last = json.createObjectNode();
        for (String line : streamed.lines().filter(text -> !text.isEmpty()).toList()) {
            if (!line.equals("data: [DONE]")) {
                last = json.readTree(line.substring("data: ".length()));
                for (JsonNode choice : last.get("choices")) {
                    texts[choice.get("index").asInt()].append(choice.get("text").asString());
                }
            }
        }
        assertThat(streamed).endsWith("data: [DONE]\n\n");
        for (int i = 0; i < 4; i++) {
            assertThat(texts[i].toString())
                    .isEqualTo(whole.at("/choices/" + i + "/text").asString());
        }
        assertThat(texts[2].toString()).isEmpty();
        assertThat(whole.at("/choices/2/stop_reason").asString()).isEqualTo("twot");
        assertThat(last.get("usage")).isEqualTo(whole.get("usage"));
    }

    @Test
    void aGoneClientAbortsItsRequest() throws Exception {
        try (Socket socket = connect()) {
            String body = "{\"prompt\":\"Endless\",\"stream\":true,\"max_tokens\":4000}";
            send(
                    socket,
                    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
                            + body.length() + "\r\n\r\n" + body);
            assertThat(socket.getInputStream().read()).isEqualTo('H');
        }
        while (engine.aborted.isEmpty()) {
            Thread.sleep(5);
        }
        assertThat(engine.aborted).hasSize(1);
    }

    @Test
    void theBareAddressTellsWhatThereIs() throws Exception {
        HttpResponse<String> front = get("/");
        assertThat(front.statusCode()).isEqualTo(200);
        assertThat(front.body()).contains("\"server\":\"apus\"");
        for (Route route : server.routes()) {
            assertThat(front.body()).contains('"' + route.path() + '"');
        }
    }

    @Test
    void drainsBeforeItEnds() throws Exception {
        assertThat(get("/ready").statusCode()).isEqualTo(200);
        server.beginShutdown();

        assertThat(get("/ready").statusCode()).isEqualTo(503);
        assertThat(get("/health").statusCode()).isEqualTo(200);
        HttpResponse<String> refused = post("/v1/completions", "{\"prompt\":\"a\"}");
        assertThat(refused.statusCode()).isEqualTo(503);
        assertThat(refused.headers().firstValue("retry-after")).isPresent();
        assertThat(server.drained()).isDone();
    }

    @Test
    void aFullQueueIsToldWithATimeToRetry() throws Exception {
        engine.full = true;
        HttpResponse<String> response = post("/v1/completions", "{\"prompt\":\"a\"}");

        assertThat(response.statusCode()).isEqualTo(429);
        assertThat(response.headers().firstValue("retry-after")).hasValue("3");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"prompt\":\"a\",\"temperature\":-1} | 400 | temperature",
                "{\"prompt\":\"a\",\"temperature\":NaN} | 400 | line 1",
                "{\"prompt\":\"a\",\"prompt\":\"b\"} | 400 | uplicate",
                "{\"prompt\":\"a\" | 400 | line 1",
                "{\"prompt\":\"a\",\"n\":1000} | 400 | 1 to 128",
                "{\"prompt\":\"a\",\"suffix\":\"x\"} | 400 | suffix",
                "{\"prompt\":\"a\",\"max_tokens\":9999} | 400 | context_length_exceeded",
                "{\"prompt\":\"a\",\"model\":\"other\"} | 404 | model_not_found",
                "{\"prompt\":[70000]} | 400 | prompt[0]",
                "{\"prompt\":\"a\",\"allowed_token_ids\":[5],\"stop_token_ids\":[5],\"min_tokens\":3} | 400 | allowed_token_ids",
                "{\"prompt\":\"a\",\"allowed_token_ids\":[0],\"min_tokens\":1} | 400 | allowed_token_ids",
                "{\"prompt\":\"a\",\"allowed_token_ids\":[0],\"min_tokens\":1,\"ignore_eos\":true} | 200 | text",
                "{\"prompt\":\"a\",\"allowed_token_ids\":[0,7],\"min_tokens\":1} | 200 | text",
                "{\"prompt\":\"\"} | 400 | empty",
                "[] | 400 | object"
            })
    void refusesWhatIsWrong(String body, int status, String part) throws Exception {
        HttpResponse<String> response = post("/v1/completions", body);

        assertThat(response.statusCode()).isEqualTo(status);
        assertThat(response.body())
                .startsWith(status == 200 ? "{" : "{\"error\":{\"message\":")
                .contains(part);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"a\":1",
                "{\"a\":NaN}",
                "{\"a\":1,}",
                "{'a':1}",
                "{a:1}",
                "{\"a\":\"x\ny\"}",
                "{\"a\":\"\\q\"}",
                "{\"a\":01}",
                "{\"a\":.5}",
                "{\"a\":tru}",
                "{\"a\":1} {}",
                "{\"a\":1,\"a\":2}",
                "{\"a\":/* no */1}",
                "[1,2",
                "]"
            })
    void aJsonErrorTellsOfTheBodyNotOfTheParser(String body) throws Exception {
        assertParserIsHidden(body);
    }

    @Test
    void aLimitOfJsonIsToldWithoutTheParsersSetting() throws Exception {
        assertParserIsHidden("{\"a\":" + "[".repeat(200) + "]".repeat(200) + "}");
        assertParserIsHidden("{\"a\":" + "9".repeat(100) + "}");
        assertParserIsHidden("{\"" + "n".repeat(5000) + "\":1}");
    }

    private void assertParserIsHidden(String body) throws Exception {
        HttpResponse<String> response = post("/tokenize", body);

        assertThat(response.statusCode()).as(body).isEqualTo(400);
        assertThat(json.readTree(response.body()).at("/error/message").asString())
                .as(body)
                .matches("the request body is not valid JSON( at line \\d+, column \\d+)?: .{5,}[^ :;,(]")
                .doesNotContain(
                        "Source",
                        "REDACTED",
                        "Feature",
                        "Constraints",
                        "`",
                        "enable",
                        "jackson",
                        "Token.",
                        "if you want");
        assertThat(json.readTree(response.body())
                        .at("/error/message")
                        .asString()
                        .chars()
                        .filter(c -> c == '(')
                        .count())
                .as(response.body())
                .isEqualTo(response.body().chars().filter(c -> c == ')').count());
    }

    @Test
    void tokenizesAPromptOrMessages() throws Exception {
        assertThat(post("/tokenize", "{\"prompt\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"b\"}]}")
                        .body())
                .contains("'prompt' and 'messages' exclude each other");
    }

    @Test
    void requestsWithoutASeedHaveTheNextOfTheModels() throws Exception {
        List<Long> seeds = new ArrayList<>();
        ScriptedEngine recording = new ScriptedEngine(answer -> {
            seeds.add(answer.request().params().seed());
            answer.finish(FinishReason.LENGTH, -1);
        });
        try (ApiServer other = new ApiServer(new CharTokenizer(), recording)) {
            other.ask("/v1/completions", "{\"prompt\":\"a\"}");
            other.ask("/v1/completions", "{\"prompt\":\"a\",\"seed\":5}");
            other.ask("/v1/completions", "{\"prompt\":\"a\"}");
        }
        Seeds expected = new Seeds(0);
        assertThat(seeds).containsExactly(expected.next(), 5L, expected.next());
    }

    @Test
    void refusesMalformedRequests() throws Exception {
        assertThat(raw("GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + "y".repeat(20_000) + "\r\n\r\n"))
                .contains(" 431 ");
        assertThat(raw("nonsense\r\n\r\n")).contains(" 400 ");
        assertThat(
                        raw(
                                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
                .contains(" 400 ");
        assertThat(
                        raw(
                                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999999\r\n\r\n"))
                .contains(" 413 ");
        assertThat(
                        raw(
                                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"))
                .contains(" 408 ");
        assertThat(
                        raw(
                                "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"))
                .contains(" 415 ");
        assertThat(raw("DELETE /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
                .contains(" 405 ", "allow: GET");
    }

    @Test
    void answersPipelinedRequestsInOrder() throws Exception {
        String answers = raw(
                "GET /ping HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: 1\r\n\r\nGET /version HTTP/1.1\r\nHost: localhost\r\n"
                        + "X-Request-Id: 2\r\n\r\nHEAD /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");

        assertThat(answers).containsSubsequence("x-request-id: 1", "x-request-id: 2", " 404 ");
    }

    @Test
    void tellsMetricsUnderVllmsNames() throws Exception {
        post("/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":3}");
        String text = get("/metrics").body();

        assertThat(text)
                .contains(
                        "vllm:num_requests_running{",
                        "vllm:kv_cache_usage_perc{",
                        "vllm:prompt_tokens_total{",
                        "vllm:time_to_first_token_seconds_bucket{",
                        "vllm:cache_config_info{",
                        "vllm:iteration_tokens_total_bucket{",
                        "vllm:request_success_total{",
                        "http_requests_total{",
                        "jvm_memory_used_bytes{");
    }

    @Test
    void saysWhyItCannotListen() {
        HttpOptions taken = HttpOptions.builder().port(server.port()).build();
        ServedModel model =
                new ServedModel("x", new CharTokenizer(), null, Map.of(), 10, CharTokenizer.SIZE, Map.of(), engine);

        assertThatThrownBy(() -> HttpServer.start(model, taken))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("cannot listen on 127.0.0.1:" + server.port());
    }

    /** A template that shows only what was said last. */
    private static String lastContent(Map<String, ?> variables) {
        return variables.get("messages") instanceof List<?> messages && messages.getLast() instanceof Map<?, ?> last
                ? String.valueOf(last.get("content"))
                : "";
    }

    private HttpResponse<String> get(String path) throws Exception {
        return client.send(HttpRequest.newBuilder(uri(path)).build(), BodyHandlers.ofString());
    }

    private HttpResponse<String> post(String path, String body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(uri(path))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        return client.send(request, BodyHandlers.ofString());
    }

    private URI uri(String path) {
        return URI.create(wire.url(server.port()) + path);
    }

    private String raw(String request) throws IOException {
        try (Socket socket = connect()) {
            send(socket, request);
            InputStream in = socket.getInputStream();
            return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
        }
    }

    private Socket connect() throws IOException {
        return wire.socket(server.port());
    }

    private static void send(Socket socket, String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
        socket.getOutputStream().flush();
    }
}
