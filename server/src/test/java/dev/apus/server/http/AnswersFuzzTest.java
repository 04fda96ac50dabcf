package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Whatever stands in a request to {@code /v1/messages} or {@code /v1/responses}, it is answered or refused, and never a failure of the server. */
class AnswersFuzzTest {
    private static final List<Map.Entry<String, String>> GOOD = List.of(
            Map.entry(MessagesRoutes.PATH, """
                    {"model":"stub","max_tokens":9,"system":[{"type":"text","text":"be brief","cache_control":{"type":"ephemeral"}}],
                    "messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":"yes"},
                    {"role":"user","content":"and"}],"stop_sequences":["x","yz"],"temperature":0.5,"top_p":0.9,"top_k":3,
                    "metadata":{"user_id":"me"},"thinking":{"type":"disabled"},"stream":true}"""),
            Map.entry(MessagesRoutes.PATH + "/count_tokens", """
                    {"model":"stub","system":"s","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}"""),
            Map.entry(ResponsesRoutes.PATH, """
                    {"model":"stub","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]},
                    {"type":"reasoning","summary":[]},{"role":"assistant","content":"yes"},{"role":"user","content":"and"}],
                    "instructions":"be brief","max_output_tokens":9,"temperature":0.5,"top_p":0.9,"top_logprobs":2,
                    "include":["message.output_text.logprobs"],"truncation":"auto","metadata":{"k":"v"},"store":true,
                    "background":false,"stream":true,"reasoning":{"effort":"low"},"text":{"format":{"type":"text"}},
                    "tools":[],"tool_choice":"auto","user":"me","previous_response_id":null}"""));

    private static final String[] VALUES = {
        "null",
        "true",
        "7",
        "-1",
        "1e400",
        "0.5",
        "\"\"",
        "\"a\"",
        "\"\\ud800\"",
        "[]",
        "{}",
        "[[[]]]",
        "[null]",
        "{\"type\":\"text\"}",
        "\"auto\"",
        "9007199254740993",
        "99999999999999999999",
        "[\"a\",7]",
        "{\"a\":{\"b\":{}}}"
    };

    private static final JsonMapper JSON = new JsonMapper();
    private static @Nullable ApiServer server;

    @BeforeContainer
    static void open() {
        server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()));
    }

    @AfterContainer
    static void close() {
        if (server != null) {
            server.close();
        }
    }

    @Property(tries = 300)
    void changedValuesAreAnsweredOrRefused(@ForAll long seed) throws Exception {
        Random random = new Random(seed);
        Map.Entry<String, String> good = GOOD.get(random.nextInt(GOOD.size()));
        JsonNode body = JSON.readTree(good.getValue());
        for (int i = random.nextInt(3); i >= 0; i--) {
            change(body, random);
        }
        ApiServer asked = Objects.requireNonNull(server, "the server has not been started");
        HttpResponse<String> response = asked.post(good.getKey(), body.toString());
        assertThat(response.statusCode()).as("%s: %s", body, response.body()).isIn(200, 400, 404);
        boolean stream =
                response.headers().firstValue("content-type").orElse("").startsWith("text/event-stream");
        if (stream) {
            assertThat(NamedEvents.parse(response.body()).getLast().name())
                    .isIn("message_stop", "response.completed", "response.incomplete");
        } else if (response.statusCode() != 200) {
            assertThat(JSON.readTree(response.body()).at("/error/message").asString())
                    .isNotEmpty();
        }
    }

    /** Of this server's template nothing is left of a last message without a text. */
    @Example
    void anEmptyPromptIsRefused() throws Exception {
        ApiServer asked = Objects.requireNonNull(server, "the server has not been started");
        String messages = "[{\"role\":\"user\",\"content\":\"\"}]";
        for (Map.Entry<String, String> empty : List.of(
                Map.entry("/v1/messages", "{\"max_tokens\":1,\"messages\":" + messages + "}"),
                Map.entry("/v1/chat/completions", "{\"messages\":" + messages + "}"),
                Map.entry("/v1/chat/completions", "{\"truncate_prompt_tokens\":4,\"messages\":" + messages + "}"),
                Map.entry("/v1/responses", "{\"input\":" + messages + "}"))) {
            HttpResponse<String> response = asked.post(empty.getKey(), empty.getValue());
            assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
            assertThat(response.body()).contains("the prompt is empty");
        }
    }

    /** Puts something else in the place of a value. */
    private static void change(JsonNode root, Random random) {
        List<JsonNode> containers = new ArrayList<>();
        collect(root, containers);
        JsonNode container = containers.get(random.nextInt(containers.size()));
        JsonNode value = JSON.readTree(VALUES[random.nextInt(VALUES.length)]);
        if (container instanceof ObjectNode object) {
            List<String> names = new ArrayList<>(object.propertyNames());
            names.add("other");
            object.set(names.get(random.nextInt(names.size())), value);
        } else if (container instanceof ArrayNode array) {
            if (array.isEmpty()) {
                array.add(value);
            } else {
                array.set(random.nextInt(array.size()), value);
            }
        }
    }

    private static void collect(JsonNode node, List<JsonNode> containers) {
        if (node.isContainer()) {
            containers.add(node);
            node.forEach(inner -> collect(inner, containers));
        }
    }
}
