package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.scheduler.ThinkingBudget;
import dev.apus.server.http.NamedEvents.Event;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Anthropic's Messages API, event by event and error by error. */
@Timeout(60)
class MessagesTest {
    private static final String PATH = "/v1/messages";
    private static final String HELLO = "{\"model\":\"stub\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]";

    private final ScriptedEngine engine = new ScriptedEngine(new EchoScript());
    /** The prompt shows what the template is told: roles by their first letter, and whether the answer goes on. */
    private final ApiServer server =
            new ApiServer(new CharTokenizer(), engine, MessagesTest::transcript, options -> options);

    @AfterEach
    void close() {
        server.close();
    }

    private static String transcript(Map<String, ?> variables) {
        StringBuilder text = new StringBuilder();
        if (variables.get("messages") instanceof List<?> messages) {
            for (Object entry : messages) {
                if (entry instanceof Map<?, ?> message) {
                    text.append(String.valueOf(message.get("role")).charAt(0)).append(':');
                    text.append(message.get("content")).append('|');
                }
            }
        }
        if (variables.containsKey("enable_thinking")) {
            text.append("thinking=").append(variables.get("enable_thinking")).append('|');
        }
        return Boolean.TRUE.equals(variables.get("add_generation_prompt")) ? text + "a:" : text.toString();
    }

    @Test
    void answersWhole() throws Exception {
        HttpResponse<String> response = server.post(PATH, HELLO + ",\"max_tokens\":9}");
        JsonNode message = server.tree(response.body());

        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.headers().firstValue("request-id"))
                .isEqualTo(response.headers().firstValue("x-request-id"))
                .isPresent();
        assertThat(message.get("id").asString()).startsWith("msg_");
        assertThat(message.get("type").asString()).isEqualTo("message");
        assertThat(message.get("role").asString()).isEqualTo("assistant");
        assertThat(message.get("model").asString()).isEqualTo("stub");
        assertThat(message.get("content")).hasSize(1);
        assertThat(message.at("/content/0/type").asString()).isEqualTo("text");
        assertThat(message.at("/content/0/text").asString()).isEqualTo("u:hello|a");
        assertThat(message.get("stop_reason").asString()).isEqualTo("max_tokens");
        assertThat(message.get("stop_sequence").isNull()).isTrue();
        assertThat(message.at("/usage/input_tokens").asInt()).isEqualTo("u:hello|a:".length());
        assertThat(message.at("/usage/cache_read_input_tokens").asInt(-1)).isZero();
        assertThat(message.at("/usage/output_tokens").asInt()).isEqualTo(9);
    }

    @Test
    void streamsItsEventsInOrder() throws Exception {
        List<Event> events = stream(HELLO + ",\"max_tokens\":9,\"stream\":true}");

        assertThat(events.stream().map(Event::name).distinct())
                .containsExactly(
                        "message_start",
                        "content_block_start",
                        "ping",
                        "content_block_delta",
                        "content_block_stop",
                        "message_delta",
                        "message_stop");
        JsonNode start = events.getFirst().data().get("message");
        assertThat(start.get("content").isEmpty()).isTrue();
        assertThat(start.get("stop_reason").isNull()).isTrue();
        assertThat(start.at("/usage/input_tokens").asInt()).isEqualTo(10);
        assertThat(text(events)).isEqualTo("u:hello|a");
        JsonNode delta = events.get(events.size() - 2).data();
        assertThat(delta.at("/delta/stop_reason").asString()).isEqualTo("max_tokens");
        assertThat(delta.at("/usage/output_tokens").asInt()).isEqualTo(9);
        assertThat(delta.at("/usage/input_tokens").asInt()).isEqualTo(10);
    }

    @Test
    void namesTheStopSequenceThatMatched() throws Exception {
        String body = HELLO + ",\"max_tokens\":99,\"stop_sequences\":[\"never\",\"lo|\"]";

        JsonNode message = server.ask(PATH, body + "}");
        assertThat(message.at("/content/0/text").asString()).isEqualTo("u:hel");
        assertThat(message.get("stop_reason").asString()).isEqualTo("stop_sequence");
        assertThat(message.get("stop_sequence").asString()).isEqualTo("lo|");

        List<Event> events = stream(body + ",\"stream\":true}");
        JsonNode delta = events.get(events.size() - 2).data().get("delta");
        assertThat(text(events)).isEqualTo("u:hel");
        assertThat(delta.get("stop_reason").asString()).isEqualTo("stop_sequence");
        assertThat(delta.get("stop_sequence").asString()).isEqualTo("lo|");
    }

    @Test
    void endsItsTurnAtTheEndOfTheSequence() throws Exception {
        ScriptedEngine ends = new ScriptedEngine(answer -> {
            answer.tokens('o', 'k', 0);
            answer.finish(FinishReason.STOP, 0);
        });
        try (ApiServer other = new ApiServer(new CharTokenizer(), ends)) {
            JsonNode message = other.ask(PATH, HELLO + ",\"max_tokens\":99}");
            assertThat(message.get("stop_reason").asString()).isEqualTo("end_turn");
            assertThat(message.at("/content/0/text").asString()).isEqualTo("ok");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '^',
            value = {
                "[{\"role\":\"user\",\"content\":\"a\"}];u:a|a:",
                "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}];u:a~b|a:",
                "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"b\"}];u:a~b|a:",
                "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"\"},{\"type\":\"text\",\"text\":\"b\"}]},{\"role\":\"user\",\"content\":\"c\"}];u:a|a:b|u:c|a:",
            })
    void showsTheTemplateTurns(String messages, String prompt) throws Exception {
        String expected = prompt.replace('~', '\n');
        assertThat(echo("{\"messages\":" + messages, expected.length())).isEqualTo(expected);
    }

    @Test
    void systemTextComesFirst() throws Exception {
        assertThat(echo(HELLO + ",\"system\":\"be brief\"", 20)).isEqualTo("s:be brief|u:hello|a");
        assertThat(echo(
                        HELLO
                                + ",\"system\":[{\"type\":\"text\",\"text\":\"be\",\"cache_control\":{\"type\":\"ephemeral\"}}]",
                        6))
                .isEqualTo("s:be|u");
    }

    @Test
    void thinkingIsTurnedOffByTheTemplate() throws Exception {
        assertThat(echo(HELLO + ",\"thinking\":{\"type\":\"disabled\"}", 26)).isEqualTo("u:hello|thinking=false|a:u");
    }

    /** What is expected of the answer is the beginning of the prompt: the engine repeats it. */
    private String echo(String body, int tokens) throws Exception {
        return server.ask(PATH, body + ",\"max_tokens\":" + tokens + "}")
                .at("/content/0/text")
                .asString();
    }

    @Test
    void thoughtsAreABlockOfTheirOwn() throws Exception {
        List<Integer> budgets = new CopyOnWriteArrayList<>();
        ScriptedEngine thinks = new ScriptedEngine(answer -> {
            ThinkingBudget budget = answer.request().params().thinkingBudget();
            budgets.add(budget == null ? -1 : budget.tokens());
            answer.tokens("<think>hm, hm</think>yes".chars().toArray());
            answer.finish(FinishReason.LENGTH, -1);
        });
        String body = HELLO + ",\"max_tokens\":99,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":50}";
        try (ApiServer other =
                new ApiServer(new CharTokenizer(), thinks, options -> options.api(new ApiOptions("qwen3", false)))) {
            JsonNode content = other.ask(PATH, body + "}").get("content");
            assertThat(content).hasSize(2);
            assertThat(content.at("/0/type").asString()).isEqualTo("thinking");
            assertThat(content.at("/0/thinking").asString()).isEqualTo("hm, hm");
            assertThat(content.at("/1/text").asString()).isEqualTo("yes");

            HttpResponse<String> response = other.post(PATH, body + ",\"stream\":true}");
            assertThat(response.headers().firstValue("warning")).isEmpty();
            assertThat(budgets).containsOnly(50);
            List<Event> events = NamedEvents.parse(response.body());
            assertThat(events.stream().map(event -> event.name() + event.data().path("index")))
                    .containsSubsequence(
                            "content_block_start0",
                            "content_block_delta0",
                            "content_block_stop0",
                            "content_block_start1",
                            "content_block_delta1",
                            "content_block_stop1");
            assertThat(events.stream()
                            .map(event -> event.data().at("/delta/thinking").asString(""))
                            .collect(Collectors.joining()))
                    .isEqualTo("hm, hm");
            assertThat(text(events)).isEqualTo("yes");
        }
    }

    @Test
    void countsTokensAsTheAnswerDoes() throws Exception {
        JsonNode count = server.ask(PATH + "/count_tokens", HELLO + ",\"system\":\"be brief\"}");
        JsonNode message = server.ask(PATH, HELLO + ",\"system\":\"be brief\",\"max_tokens\":1}");

        assertThat(count.propertyNames()).containsExactly("input_tokens");
        assertThat(count.get("input_tokens").asInt())
                .isEqualTo(message.at("/usage/input_tokens").asInt())
                .isPositive();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '^',
            value = {
                "{};'messages'",
                "{\"max_tokens\":1};'messages'",
                "{\"messages\":[]};'max_tokens'",
                "{\"max_tokens\":1,\"messages\":[]};'messages' is empty",
                "{\"max_tokens\":1,\"messages\":{}};'messages' is an object",
                "{\"max_tokens\":1,\"messages\":[1]};'messages[0]' is 1",
                "{\"max_tokens\":1,\"messages\":[{\"role\":\"system\",\"content\":\"a\"}]};messages[0].role",
                "{\"max_tokens\":1,\"messages\":[{\"role\":7,\"content\":\"a\"}]};messages[0].role",
                "{\"max_tokens\":1,\"messages\":[{\"role\":\"user\"}]};messages[0].content",
                "{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":7}]};messages[0].content",
                "{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[7]}]};messages[0].content[0]",
                "{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]};content[0].text",
                "{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{}}]}]};\"image\"",
                "{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\"}]}]};\"tool_result\"",
            })
    void refusesWrongMessages(String body, String named) throws Exception {
        // Without max_tokens the message names that first, or what else is missing.
        assertRefused(server.post(PATH, body), named.equals("'messages'") ? "missing" : named);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"max_tokens\":0",
                "\"max_tokens\":\"9\"",
                "\"max_tokens\":9,\"stop_sequences\":\"\"",
                "\"max_tokens\":9,\"stop_sequences\":[7]",
                "\"max_tokens\":9,\"stop\":\"x\"",
                "\"max_tokens\":9,\"temperature\":\"hot\"",
                "\"max_tokens\":9,\"top_k\":-2",
                "\"max_tokens\":9,\"n\":2",
                "\"max_tokens\":9,\"tools\":[{\"name\":\"t\",\"input_schema\":{}}]",
                "\"max_tokens\":9,\"tool_choice\":{\"type\":\"any\"}",
                "\"max_tokens\":9,\"mcp_servers\":[{}]",
                "\"max_tokens\":9,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}",
                "\"max_tokens\":9,\"thinking\":{\"type\":\"deep\"}",
                "\"max_tokens\":9,\"thinking\":true",
                "\"max_tokens\":9,\"metadata\":{\"user_id\":7}",
                "\"max_tokens\":9,\"system\":7",
                "\"max_tokens\":9,\"system\":[{\"type\":\"image\"}]",
                "\"max_tokens\":9,\"container\":\"c\"",
                "\"max_tokens\":99999999"
            })
    void refusesByName(String parameters) throws Exception {
        String name = parameters.replaceFirst("^\"max_tokens\":9,", "").replaceFirst("^\"(\\w+)\".*", "$1");
        assertRefused(server.post(PATH, HELLO + "," + parameters + "}"), name);
    }

    @Test
    void errorsHaveAnthropicsForm() throws Exception {
        HttpResponse<String> other = server.post(PATH, "{\"model\":\"other\",\"max_tokens\":1,\"messages\":[]}");
        assertThat(other.statusCode()).isEqualTo(404);
        assertThat(server.tree(other.body()).at("/error/type").asString()).isEqualTo("not_found_error");

        HttpResponse<String> text = server.client()
                .send(
                        HttpRequest.newBuilder(URI.create(server.url() + PATH))
                                .POST(HttpRequest.BodyPublishers.ofString("x"))
                                .build(),
                        BodyHandlers.ofString());
        assertThat(text.statusCode()).isEqualTo(415);
        assertThat(server.tree(text.body()).get("type").asString()).isEqualTo("error");

        assertRefused(server.post(PATH, "["), "JSON");
        assertRefused(server.post(PATH + "/count_tokens", "{}"), "messages");
        HttpResponse<String> dated = server.client()
                .send(
                        HttpRequest.newBuilder(server.request(PATH, HELLO + ",\"max_tokens\":1}"), (n, v) -> true)
                                .header("anthropic-version", "yesterday")
                                .build(),
                        BodyHandlers.ofString());
        assertRefused(dated, "anthropic-version");

        engine.full = true;
        HttpResponse<String> full = server.post(PATH, HELLO + ",\"max_tokens\":1}");
        assertThat(full.statusCode()).isEqualTo(429);
        assertThat(full.headers().firstValue("retry-after")).hasValue("3");
        assertThat(server.tree(full.body()).at("/error/type").asString()).isEqualTo("rate_limit_error");
    }

    @Test
    void anErrorInMidStreamIsAnEvent() throws Exception {
        CountDownLatch seen = new CountDownLatch(1);
        ScriptedEngine breaks = new ScriptedEngine(answer -> {
            answer.tokens('a');
            seen.await();
            answer.fail("the device is lost", false);
        });
        try (ApiServer other = new ApiServer(new CharTokenizer(), breaks);
                RawClient client = other.connect()) {
            client.send(RawClient.post(PATH, HELLO + ",\"max_tokens\":5,\"stream\":true}"));
            client.readUntil("\"text\":\"a\"}}\n\n");
            seen.countDown();
            String rest = client.readUntil("0\r\n\r\n");
            assertThat(rest)
                    .contains("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",")
                    .contains("the device is lost", "\"request_id\"")
                    .doesNotContain("message_stop");
        }
    }

    @Test
    void aGoneClientsMessageIsAborted() throws Exception {
        try (ServerFixture fixture = new ServerFixture()) {
            try (RawClient client = fixture.connect()) {
                client.send(RawClient.post(PATH, HELLO + ",\"max_tokens\":5,\"stream\":true}"));
                fixture.engine.next().emit("a");
                client.readUntil("\"text\":\"a\"}}\n\n");
            }
            ServerFixture.await("the abort", () -> fixture.engine.aborted().size() == 1);
        }
    }

    @Test
    void aMessageThatTheServersStopBreaksOffIsAnError() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawClient client = fixture.connect()) {
            client.send(RawClient.post(PATH, HELLO + ",\"max_tokens\":5}"));
            fixture.engine.abort(fixture.engine.next().request.id());
            assertThat(client.readAnswer()).contains(" 503 ", "overloaded_error");
        }
    }

    @Test
    void listsModelsInAnthropicsForm() throws Exception {
        for (String path : List.of("/v1/models", "/v1/models/stub")) {
            JsonNode answer = server.tree(server.client()
                    .send(
                            HttpRequest.newBuilder(URI.create(server.url() + path))
                                    .header("anthropic-version", "2023-06-01")
                                    .build(),
                            BodyHandlers.ofString())
                    .body());
            JsonNode one = answer.has("data") ? answer.at("/data/0") : answer;
            assertThat(one.get("type").asString()).isEqualTo("model");
            assertThat(one.get("id").asString()).isEqualTo("stub");
            assertThat(one.get("created_at").asString()).matches("\\d{4}-\\d\\d-\\d\\dT.*Z");
        }
    }

    private void assertRefused(HttpResponse<String> response, String named) {
        JsonNode error = server.tree(response.body());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
        assertThat(error.get("type").asString()).isEqualTo("error");
        assertThat(error.at("/error/type").asString()).isEqualTo("invalid_request_error");
        assertThat(error.at("/error/message").asString()).contains(named);
        assertThat(error.get("request_id").asString())
                .isEqualTo(response.headers().firstValue("request-id").orElseThrow());
    }

    private List<Event> stream(String body) throws Exception {
        HttpResponse<String> response = server.post(PATH, body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return NamedEvents.parse(response.body());
    }

    private static String text(List<Event> events) {
        return events.stream()
                .map(event -> event.data().at("/delta/text").asString(""))
                .collect(Collectors.joining());
    }
}
