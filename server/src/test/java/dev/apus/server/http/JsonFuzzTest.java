package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Whatever the body, the answer is a good one or a refusal that names what is wrong, as the server's own document promises (which
 * {@link ApiServer} checks), never a failure of the server; and it serves the next request.
 */
class JsonFuzzTest {
    private static final List<Map.Entry<String, String>> GOOD = List.of(
            Map.entry("/v1/chat/completions", """
                    {"model":"stub","messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text",
                    "text":"hi"}]}],"max_tokens":9,"temperature":0.5,"top_p":0.9,"top_k":3,"min_p":0.1,"stop":["x","yz"],"n":2,
                    "logprobs":true,"top_logprobs":2,"logit_bias":{"97":1},"stream":true,"stream_options":{"include_usage":true},
                    "chat_template_kwargs":{"a":{"b":[1]}},"documents":[{"t":"u"}],"seed":4,"bad_words":["no"],"min_tokens":1,
                    "repetition_detection":{"max_pattern_size":3,"min_count":4},"reasoning_effort":"low","metadata":{"k":"v"},
                    "response_format":{"type":"text"},"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none"}"""),
            Map.entry("/v1/completions", """
                    {"model":"stub","prompt":["ab",[97,98]],"max_tokens":8,"echo":true,"logprobs":1,"best_of":3,"n":2,"priority":1,
                    "stop_token_ids":[99],"allowed_token_ids":[97,98,99],"truncate_prompt_tokens":2,"truncation_side":"right",
                    "cache_salt":"s","prompt_logprobs":1,"return_token_ids":true,"request_id":"r","ignore_eos":true}"""),
            Map.entry("/tokenize", "{\"prompt\":\"abc\",\"return_token_strs\":true,\"add_special_tokens\":false}"),
            Map.entry(
                    "/tokenize",
                    "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"add_generation_prompt\":true}"),
            Map.entry("/detokenize", "{\"tokens\":[97,98,99]}"));

    private static final String[] STRINGS = {
        "", "a", "\ud800", "\u0000", "{{ x }}", "{% raw %}", "NaN", "-1", "user", "auto", "none", "🦙", "a".repeat(3000)
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

    private static ApiServer server() {
        if (server == null) {
            throw new IllegalStateException("the server has not been started");
        }
        return server;
    }

    @Property(tries = 300)
    void changedValuesAreAnsweredOrRefused(@ForAll long seed) throws Exception {
        Random random = new Random(seed);
        Map.Entry<String, String> good = GOOD.get(random.nextInt(GOOD.size()));
        JsonNode body = JSON.readTree(good.getValue());
        for (int i = random.nextInt(3); i >= 0; i--) {
            change(body, random);
        }
        assertServed(good.getKey(), body.toString());
    }

    @Property(tries = 150)
    void changedBytesAreAnsweredOrRefused(@ForAll long seed) throws Exception {
        Random random = new Random(seed);
        Map.Entry<String, String> good = GOOD.get(random.nextInt(GOOD.size()));
        StringBuilder text = new StringBuilder(good.getValue());
        for (int i = random.nextInt(3); i >= 0; i--) {
            int at = random.nextInt(text.length());
            switch (random.nextInt(4)) {
                case 0 -> text.setLength(Math.max(1, at));
                case 1 -> text.setCharAt(at, "{}[]\",:0e-\\ \u00ff".charAt(random.nextInt(13)));
                case 2 -> text.insert(at, "[".repeat(1 + random.nextInt(200)));
                default -> text.delete(at, Math.min(text.length(), at + 1 + random.nextInt(5)));
            }
            if (text.isEmpty()) {
                text.append('{');
            }
        }
        assertServed(good.getKey(), text.toString());
    }

    private static void assertServed(String path, String body) throws Exception {
        HttpResponse<String> response = server().post(path, body);
        assertThat(response.statusCode()).as("%s: %s", body, response.body()).isIn(200, 400, 404);
        if (response.statusCode() != 200) {
            assertThat(JSON.readTree(response.body()).at("/error/message").asString())
                    .isNotEmpty();
        } else if (response.headers().firstValue("content-type").orElse("").startsWith("text/event-stream")) {
            assertThat(response.body()).endsWith("data: [DONE]\n\n").doesNotContain("\"error\"");
        }
        assertThat(server().get("/health").get("status").asString()).isEqualTo("ok");
    }

    /** Puts something else in the place of one value, or takes it out, or adds one. */
    private static void change(JsonNode root, Random random) {
        List<JsonNode> containers = new ArrayList<>();
        collect(root, containers);
        JsonNode container = containers.get(random.nextInt(containers.size()));
        if (container instanceof ObjectNode object && !object.isEmpty()) {
            List<String> names = List.copyOf(object.propertyNames());
            String name = names.get(random.nextInt(names.size()));
            switch (random.nextInt(6)) {
                case 0 -> object.remove(name);
                case 1 -> object.set(STRINGS[random.nextInt(STRINGS.length)], any(random, 2));
                default -> object.set(name, any(random, 2));
            }
        } else if (container instanceof ArrayNode array) {
            if (array.isEmpty() || random.nextInt(4) == 0) {
                array.add(any(random, 2));
            } else {
                array.set(random.nextInt(array.size()), any(random, 2));
            }
        }
    }

    private static void collect(JsonNode node, List<JsonNode> containers) {
        if (node.isContainer()) {
            containers.add(node);
            node.forEach(inner -> collect(inner, containers));
        }
    }

    private static JsonNode any(Random random, int depth) {
        JsonNodeFactory make = JsonNodeFactory.instance;
        return switch (random.nextInt(depth > 0 ? 10 : 7)) {
            case 0 -> make.nullNode();
            case 1 -> make.booleanNode(random.nextBoolean());
            case 2 -> make.numberNode(random.nextInt(5) - 1);
            case 3 -> make.numberNode(random.nextLong());
            case 4 -> make.numberNode(random.nextGaussian() * Math.pow(10, random.nextInt(60) - 30));
            case 5, 6 -> make.stringNode(STRINGS[random.nextInt(STRINGS.length)]);
            case 7 -> make.arrayNode();
            case 8 -> make.arrayNode().add(any(random, depth - 1)).add(any(random, depth - 1));
            default -> make.objectNode().set(STRINGS[random.nextInt(STRINGS.length)], any(random, depth - 1));
        };
    }
}
