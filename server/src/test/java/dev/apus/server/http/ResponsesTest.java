package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.server.http.NamedEvents.Event;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** OpenAI's Responses API: what is answered at once, what is kept of it, and what is refused. */
@Timeout(60)
class ResponsesTest {
    static final String PATH = "/v1/responses";

    private final ScriptedEngine engine = new ScriptedEngine(new EchoScript());
    private final ApiServer server =
            new ApiServer(new CharTokenizer(), engine, ResponsesTest::transcript, options -> options);

    @AfterEach
    void close() {
        server.close();
    }

    /** Shows what the template is told: roles by their first letter. */
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
        return text.toString();
    }

    @Test
    void answersWholeAndRepeatsTheRequest() throws Exception {
        JsonNode response = server.ask(
                PATH,
                "{\"model\":\"stub\",\"input\":\"hello\",\"max_output_tokens\":7,\"temperature\":0.5,\"instructions\":\"be brief\","
                        + "\"metadata\":{\"k\":\"v\"},\"user\":\"me\",\"reasoning\":{\"effort\":\"low\"}}");

        assertThat(response.get("id").asString()).startsWith("resp_");
        assertThat(response.get("object").asString()).isEqualTo("response");
        assertThat(response.get("status").asString()).isEqualTo("incomplete");
        assertThat(response.at("/incomplete_details/reason").asString()).isEqualTo("max_output_tokens");
        assertThat(text(response)).isEqualTo("s:be br");
        assertThat(response.at("/output/0/status").asString()).isEqualTo("incomplete");
        assertThat(response.get("instructions").asString()).isEqualTo("be brief");
        assertThat(response.get("max_output_tokens").asInt()).isEqualTo(7);
        assertThat(response.get("temperature").asDouble()).isEqualTo(0.5);
        assertThat(response.at("/metadata/k").asString()).isEqualTo("v");
        assertThat(response.at("/reasoning/effort").asString()).isEqualTo("low");
        assertThat(response.get("user").asString()).isEqualTo("me");
        assertThat(response.get("store").asBoolean()).isTrue();
        assertThat(response.at("/usage/input_tokens").asInt()).isEqualTo("s:be brief|u:hello|".length());
        assertThat(response.at("/usage/output_tokens").asInt()).isEqualTo(7);
    }

    @Test
    void streamsItsEventsInOrder() throws Exception {
        List<Event> events = stream(server, "{\"input\":\"hello\",\"max_output_tokens\":7,\"stream\":true}");

        assertThat(events.stream().map(Event::name).distinct())
                .containsExactly(
                        "response.created",
                        "response.in_progress",
                        "response.output_item.added",
                        "response.content_part.added",
                        "response.output_text.delta",
                        "response.output_text.done",
                        "response.content_part.done",
                        "response.output_item.done",
                        "response.incomplete");
        for (int i = 0; i < events.size(); i++) {
            assertThat(events.get(i).data().get("sequence_number").asInt()).isEqualTo(i);
        }
        JsonNode last = events.getLast().data().get("response");
        assertThat(deltas(events)).isEqualTo("u:hello");
        assertThat(text(last)).isEqualTo("u:hello");
        assertThat(last.at("/output/0"))
                .isEqualTo(events.get(events.size() - 2).data().get("item"));
        assertThat(get(last.get("id").asString()).body()).isEqualTo(last.toString());
    }

    @Test
    void completesAtTheEndOfTheSequence() throws Exception {
        ScriptedEngine ends = new ScriptedEngine(answer -> {
            answer.tokens('o', 'k', 0);
            answer.finish(FinishReason.STOP, 0);
        });
        try (ApiServer other = new ApiServer(new CharTokenizer(), ends)) {
            JsonNode response = other.ask(PATH, "{\"input\":\"a\"}");
            assertThat(response.get("status").asString()).isEqualTo("completed");
            assertThat(response.get("completed_at").isNumber()).isTrue();
            assertThat(response.get("incomplete_details").isNull()).isTrue();
            assertThat(text(response)).isEqualTo("ok");
            assertThat(stream(other, "{\"input\":\"a\",\"stream\":true}")
                            .getLast()
                            .name())
                    .isEqualTo("response.completed");
        }
    }

    @Test
    void thoughtsAreAnItemOfTheirOwn() throws Exception {
        ScriptedEngine thinks = new ScriptedEngine(answer -> {
            answer.tokens("<think>hm, hm</think>yes".chars().toArray());
            answer.finish(FinishReason.LENGTH, -1);
        });
        try (ApiServer other =
                new ApiServer(new CharTokenizer(), thinks, options -> options.api(new ApiOptions("qwen3", false)))) {
            JsonNode output = other.ask(PATH, "{\"input\":\"a\"}").get("output");
            assertThat(output.at("/0/type").asString()).isEqualTo("reasoning");
            assertThat(output.at("/0/content/0/text").asString()).isEqualTo("hm, hm");
            assertThat(output.at("/1/content/0/text").asString()).isEqualTo("yes");

            List<Event> events = stream(other, "{\"input\":\"a\",\"stream\":true}");
            assertThat(events.stream().map(Event::name))
                    .containsSubsequence(
                            "response.output_item.added",
                            "response.reasoning_text.delta",
                            "response.reasoning_text.done",
                            "response.output_item.done",
                            "response.output_item.added",
                            "response.output_text.delta",
                            "response.output_text.done");
            assertThat(deltas(events)).isEqualTo("hm, hmyes");
            assertThat(events.getLast().data().at("/response/output")).hasSize(2);
        }
    }

    @Test
    void goesOnWithAnEarlierResponse() throws Exception {
        JsonNode first = server.ask(PATH, "{\"input\":\"ab\",\"instructions\":\"i\",\"max_output_tokens\":3}");
        JsonNode second = server.ask(PATH, next(first, "cd", 11));
        JsonNode third = server.ask(PATH, next(second, "ef", 40));

        assertThat(text(first)).isEqualTo("s:i");
        // Instructions are those of their own response alone.
        assertThat(text(second)).isEqualTo("u:ab|a:s:i|");
        assertThat(text(third)).startsWith("u:ab|a:s:i|u:cd|a:u:ab|a:s:i||u:ef|");
        assertThat(third.get("previous_response_id").asString())
                .isEqualTo(second.get("id").asString());

        // Others hold what came before.
        assertThat(send("DELETE", "/" + first.get("id").asString()).statusCode())
                .isEqualTo(200);
        assertThat(text(server.ask(PATH, next(second, "ef", 8)))).isEqualTo("u:ab|a:s");
        assertThat(server.post(PATH, next(first, "x", 3)).body()).contains("previous_response_not_found");
    }

    private static String next(JsonNode previous, String input, int tokens) {
        return "{\"input\":\"" + input + "\",\"max_output_tokens\":" + tokens + ",\"previous_response_id\":"
                + previous.get("id") + "}";
    }

    @Test
    void readsItems() throws Exception {
        String items =
                "[{\"role\":\"developer\",\"content\":\"x\"},{\"type\":\"message\",\"role\":\"user\",\"content\":["
                        + "{\"type\":\"input_text\",\"text\":\"a\"},{\"type\":\"input_text\",\"text\":\"b\"}]},"
                        + "{\"type\":\"reasoning\",\"summary\":[]},"
                        + "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"c\"}]},"
                        + "{\"role\":\"user\",\"content\":\"d\"}]";
        JsonNode response =
                server.ask(PATH, "{\"input\":" + items + ",\"instructions\":\"i\",\"max_output_tokens\":18}");
        assertThat(text(response)).isEqualTo("s:i\nx|u:a\nb|a:c|u:");

        String id = response.get("id").asString();
        JsonNode listed = server.get(PATH + "/" + id + "/input_items?order=asc&limit=3");
        assertThat(listed.get("data")).hasSize(3);
        assertThat(listed.at("/data/0/role").asString()).isEqualTo("developer");
        assertThat(listed.at("/data/1/content/1/text").asString()).isEqualTo("b");
        assertThat(listed.at("/data/2/content/0/type").asString()).isEqualTo("output_text");
        assertThat(listed.get("has_more").asBoolean()).isTrue();
        JsonNode rest = server.get(PATH + "/" + id + "/input_items?order=asc&after="
                + listed.get("last_id").asString());
        assertThat(rest.get("data")).hasSize(1);
        assertThat(rest.get("has_more").asBoolean()).isFalse();
        assertThat(server.get(PATH + "/" + id + "/input_items")
                        .at("/data/0/content/0/text")
                        .asString())
                .isEqualTo("d");
    }

    @Test
    void leavesOutTheOldestMessagesIfAsked() throws Exception {
        String long1 = "x".repeat(3000);
        String items = "[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"" + long1
                + "\"},{\"role\":\"assistant\",\"content\":\"" + long1
                + "\"},{\"role\":\"user\",\"content\":\"last\"}]";
        HttpResponse<String> whole = server.post(PATH, "{\"input\":" + items + ",\"max_output_tokens\":9}");
        assertThat(whole.statusCode()).isEqualTo(400);
        assertThat(whole.body()).contains("context_length_exceeded");

        JsonNode cut = server.ask(PATH, "{\"input\":" + items + ",\"max_output_tokens\":6,\"truncation\":\"auto\"}");
        assertThat(text(cut)).isEqualTo("s:s|a:");
        assertThat(cut.get("truncation").asString()).isEqualTo("auto");
    }

    @Test
    void tellsLogprobs() throws Exception {
        String body =
                "{\"input\":\"ab\",\"max_output_tokens\":2,\"top_logprobs\":2,\"include\":[\"message.output_text.logprobs\"]";
        JsonNode part = server.ask(PATH, body + "}").at("/output/0/content/0");
        assertThat(part.get("logprobs")).hasSize(2);
        assertThat(part.at("/logprobs/0/token").asString()).isEqualTo("u");
        assertThat(part.at("/logprobs/0/top_logprobs")).hasSize(2);

        List<Event> events = stream(server, body + ",\"stream\":true}");
        long told = events.stream()
                .filter(event -> event.name().equals("response.output_text.delta"))
                .mapToLong(event -> event.data().get("logprobs").size())
                .sum();
        assertThat(told).isEqualTo(2);
        assertThat(events.getLast().data().at("/response/output/0/content/0/logprobs"))
                .isEqualTo(part.get("logprobs"));
    }

    @Test
    void keepsUnlessToldNotTo() throws Exception {
        String kept = server.ask(PATH, "{\"input\":\"a\",\"max_output_tokens\":1}")
                .get("id")
                .asString();
        String unkept = server.ask(PATH, "{\"input\":\"a\",\"max_output_tokens\":1,\"store\":false}")
                .get("id")
                .asString();

        assertThat(get(kept).statusCode()).isEqualTo(200);
        assertThat(get(unkept).statusCode()).isEqualTo(404);
        assertThat(server.tree(send("DELETE", "/" + kept).body()).get("deleted").asBoolean())
                .isTrue();
        assertThat(get(kept).statusCode()).isEqualTo(404);
        assertThat(send("DELETE", "/" + kept).statusCode()).isEqualTo(404);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/",
                "/resp_none",
                "/resp_none/input_items",
                "/resp_none/other",
                "/resp_none?stream=true",
                "/..%2f",
                "/input_items"
            })
    void whatIsNotThereIsNotFound(String path) throws Exception {
        assertThat(send("GET", path).statusCode()).isEqualTo(404);
        assertThat(send("POST", path).statusCode()).isEqualTo(404);
    }

    @Test
    void refusesWrongQueries() throws Exception {
        String id = server.ask(PATH, "{\"input\":\"a\",\"max_output_tokens\":1}")
                .get("id")
                .asString();
        for (String query : List.of("limit=0", "limit=x", "limit=101", "order=up")) {
            assertThat(send("GET", "/" + id + "/input_items?" + query).statusCode())
                    .as(query)
                    .isEqualTo(400);
        }
        try (RawClient client = server.connect()) {
            client.send(RawClient.get(PATH + "/" + id + "/input_items?limit=%zz"));
            assertThat(client.readAnswer()).contains(" 400 ", "percent escape");
        }
        assertThat(send("GET", "/" + id + "?stream=true").body()).contains("are not kept");
        assertThat(send("POST", "/" + id + "/cancel").body()).contains("'background'");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '^',
            value = {
                "{};input",
                "{\"input\":7};input",
                "{\"input\":[]};input",
                "{\"input\":[7]};input[0]",
                "{\"input\":[{\"type\":\"reasoning\"}]};input",
                "{\"input\":[{\"type\":7,\"role\":\"user\",\"content\":\"a\"}]};input[0]",
                "{\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"c\"}]};input[0]",
                "{\"input\":[{\"type\":\"item_reference\",\"id\":\"c\"}]};input[0]",
                "{\"input\":[{\"role\":\"tool\",\"content\":\"a\"}]};input[0].role",
                "{\"input\":[{\"role\":\"user\"}]};input[0].content",
                "{\"input\":[{\"role\":\"user\",\"content\":{}}]};input[0].content",
                "{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}]};input[0].content[0]",
                "{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\"}]}]};input[0].content[0]",
                "{\"input\":\"a\",\"tools\":[{\"type\":\"web_search\"}]};tools",
                "{\"input\":\"a\",\"tool_choice\":\"required\"};tool_choice",
                "{\"input\":\"a\",\"conversation\":\"c\"};conversation",
                "{\"input\":\"a\",\"prompt\":{\"id\":\"p\"}};prompt",
                "{\"input\":\"a\",\"text\":{\"format\":{\"type\":\"json_schema\"}}};text.format",
                "{\"input\":\"a\",\"include\":[\"reasoning.encrypted_content\"]};include",
                "{\"input\":\"a\",\"include\":[\"everything\"]};include",
                "{\"input\":\"a\",\"top_logprobs\":2};top_logprobs",
                "{\"input\":\"a\",\"truncation\":\"some\"};truncation",
                "{\"input\":\"a\",\"reasoning\":{\"effort\":\"huge\"}};reasoning.effort",
                "{\"input\":\"a\",\"metadata\":{\"a\":7}};metadata",
                "{\"input\":\"a\",\"background\":true,\"store\":false};background",
                "{\"input\":\"a\",\"max_output_tokens\":0};max_output_tokens",
                "{\"input\":\"a\",\"max_output_tokens\":99999};max_output_tokens",
                "{\"input\":\"a\",\"n\":2};n",
                "{\"input\":\"a\",\"stream\":\"yes\"};stream",
                "{\"input\":\"a\",\"previous_response_id\":7};previous_response_id",
                "{\"input\":\"a\",\"previous_response_id\":\"resp_x\"};previous_response_id",
            })
    void refusesByName(String body, String param) throws Exception {
        HttpResponse<String> response = server.post(PATH, body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
        assertThat(server.tree(response.body()).at("/error/param").asString()).isEqualTo(param);
    }

    @Test
    void failuresAreTold() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        ScriptedEngine fails = new ScriptedEngine(answer -> {
            if (answer.request().prompt().length > 1) {
                begun.await();
            }
            answer.fail("the device is lost", false);
        });
        try (ApiServer other = new ApiServer(new CharTokenizer(), fails)) {
            assertThat(other.post(PATH, "{\"input\":\"a\"}").statusCode()).isEqualTo(500);

            JsonNode failed;
            try (RawClient client = other.connect()) {
                client.send("POST " + PATH + " HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        + "Content-Length: 28\r\n\r\n{\"input\":\"ab\",\"stream\":true}");
                assertThat(client.readUntil("}}\n\n")).contains("event: response.created");
                begun.countDown();
                String rest = client.readAll();
                List<Event> events = NamedEvents.parse(rest.substring(rest.indexOf("event: response.failed")));
                assertThat(events).hasSize(1);
                failed = events.getFirst().data();
            }
            assertThat(failed.get("type").asString()).isEqualTo("response.failed");
            assertThat(failed.at("/response/status").asString()).isEqualTo("failed");
            assertThat(failed.at("/response/error/code").asString()).isEqualTo("server_error");
            assertThat(failed.at("/response/error/message").asString()).contains("the device is lost");
        }
        engine.full = true;
        assertThat(server.post(PATH, "{\"input\":\"a\",\"stream\":true}").statusCode())
                .isEqualTo(429);
        HttpResponse<String> background = server.post(PATH, "{\"input\":\"a\",\"background\":true}");
        assertThat(background.statusCode()).isEqualTo(429);
        assertThat(background.headers().firstValue("retry-after")).hasValue("3");
    }

    private HttpResponse<String> get(String id) throws Exception {
        return send("GET", "/" + id);
    }

    private HttpResponse<String> send(String method, String path) throws Exception {
        return server.client()
                .send(
                        HttpRequest.newBuilder(URI.create(server.url() + PATH + path))
                                .method(method, HttpRequest.BodyPublishers.noBody())
                                .build(),
                        BodyHandlers.ofString());
    }

    static List<Event> stream(ApiServer server, String body) throws Exception {
        HttpResponse<String> response = server.post(PATH, body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return NamedEvents.parse(response.body());
    }

    static String deltas(List<Event> events) {
        return events.stream()
                .filter(event -> event.name().endsWith("_text.delta"))
                .map(event -> event.data().get("delta").asString())
                .collect(Collectors.joining());
    }

    static String text(JsonNode response) {
        return response.at("/output/0/content/0/text").asString();
    }
}
