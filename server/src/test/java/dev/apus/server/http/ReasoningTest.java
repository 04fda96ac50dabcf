package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.models.chat.JinjaTemplate;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** Thoughts come beside the answer, whole or streamed. The engine repeats the prompt, which is what the user said. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ReasoningTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String THOUGHT = "<think>\\nwell\\n</think>\\n\\nyes";

    private final ApiServer server = server("{{ messages[-1].content }}", "qwen3");
    /** Its template opens the thought. */
    private final ApiServer opening =
            server("{{ messages[-1].content }}{% if enable_thinking is not defined %}<think>\n{% endif %}", "qwen3");

    private static ApiServer server(String template, String parser) {
        return new ApiServer(
                new CharTokenizer(),
                new ScriptedEngine(new EchoScript()),
                JinjaTemplate.compile(template),
                options -> options.api(new ApiOptions(parser, false)));
    }

    @AfterAll
    void close() {
        server.close();
        opening.close();
    }

    @Test
    void aWholeAnswerHasItsThoughtsBesideItsText() throws Exception {
        JsonNode answer = server.ask(CHAT, body(THOUGHT, 26, ""));
        JsonNode message = answer.at("/choices/0/message");
        assertThat(message.get("content").asString()).isEqualTo("yes");
        assertThat(message.get("reasoning").asString()).isEqualTo("well");
        assertThat(message.get("reasoning_content").asString()).isEqualTo("well");
        // All but the two line ends behind the tag and the answer.
        assertThat(answer.at("/usage/completion_tokens_details/reasoning_tokens")
                        .asInt())
                .isEqualTo("\nwell\n</think>".length() + 1);
        assertThat(answer.at("/usage/completion_tokens").asInt()).isEqualTo(26);
    }

    @Test
    void anAnswerCutOffWithinAThoughtHasNoText() throws Exception {
        JsonNode message = server.ask(CHAT, body(THOUGHT, 10, "")).at("/choices/0/message");
        assertThat(message.get("content").isNull()).isTrue();
        assertThat(message.get("reasoning").asString()).isEqualTo("we");
    }

    @Test
    void aStreamTellsThoughtsAndThenText() throws Exception {
        List<JsonNode> chunks = server.chunks(CHAT, body(THOUGHT, 26, ",\"stream\":true"));
        assertThat(joined(chunks, "reasoning")).isEqualTo("well");
        assertThat(joined(chunks, "reasoning_content")).isEqualTo("well");
        assertThat(joined(chunks, "content")).isEqualTo("yes");
        JsonNode last = chunks.getLast().at("/choices/0/finish_reason");
        assertThat(last.asString()).isEqualTo("length");
        // A chunk of thoughts alone has no text, or a page that shows them would take them for over.
        assertThat(chunks.stream()
                        .map(chunk -> chunk.at("/choices/0/delta"))
                        .filter(delta -> delta.has("reasoning"))
                        .filter(delta -> delta.path("content").asString("").isEmpty()))
                .allSatisfy(delta -> assertThat(delta.has("content")).isFalse());
    }

    @Test
    void thoughtsAreLeftOutIfAsked() throws Exception {
        JsonNode answer = server.ask(CHAT, body(THOUGHT, 26, ",\"include_reasoning\":false"));
        assertThat(answer.at("/choices/0/message").has("reasoning")).isFalse();
        assertThat(answer.at("/choices/0/message/content").asString()).isEqualTo("yes");
        assertThat(answer.at("/usage/completion_tokens_details/reasoning_tokens")
                        .asInt())
                .isPositive();
        List<JsonNode> chunks = server.chunks(CHAT, body(THOUGHT, 26, ",\"stream\":true,\"include_reasoning\":false"));
        assertThat(joined(chunks, "reasoning")).isEmpty();
        assertThat(joined(chunks, "content")).isEqualTo("yes");
    }

    @Test
    void aTemplateMayHaveOpenedTheThought() throws Exception {
        // The engine says "well</think>yes<think>\n", and then again.
        JsonNode message = opening.ask(CHAT, body("well</think>yes", 15, "")).at("/choices/0/message");
        assertThat(message.get("reasoning").asString()).isEqualTo("well");
        assertThat(message.get("content").asString()).isEqualTo("yes");
        // The least effort is none: then the template opens nothing, and a tag is text.
        JsonNode thoughtless = opening.ask(CHAT, body("well</think>yes", 15, ",\"reasoning_effort\":\"none\""))
                .at("/choices/0/message");
        assertThat(thoughtless.has("reasoning")).isFalse();
        assertThat(thoughtless.get("content").asString()).isEqualTo("well</think>yes");
    }

    @Test
    void aTagInAQuestionOpensNothing() throws Exception {
        JsonNode message =
                server.ask(CHAT, body("What is <think> for?", 20, "")).at("/choices/0/message");
        assertThat(message.get("content").asString()).isEqualTo("What is <think> for?");
    }

    @Test
    void aContinuedThoughtGoesOn() throws Exception {
        String body = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
                + "\"<think>so </think\"}],\"continue_final_message\":true,\"max_tokens\":17}";
        // The engine repeats "<think>so </think": the first tag is the thought's own, the second is not whole.
        JsonNode message = server.ask(CHAT, body).at("/choices/0/message");
        assertThat(message.get("reasoning").asString()).isEqualTo("so </think");
    }

    @Test
    void textCompletionsAreLeftAsTheyAre() throws Exception {
        JsonNode answer = server.ask("/v1/completions", "{\"prompt\":\"" + THOUGHT + "\",\"max_tokens\":26}");
        assertThat(answer.at("/choices/0/text").asString()).startsWith("<think>\nwell");
        assertThat(answer.at("/usage").has("completion_tokens_details")).isFalse();
    }

    @Test
    void effortsHaveNames() throws Exception {
        assertThat(server.post(CHAT, body("a", 1, ",\"reasoning_effort\":\"utmost\""))
                        .body())
                .contains("\"param\":\"reasoning_effort\"");
    }

    private static String joined(List<JsonNode> chunks, String field) {
        return chunks.stream()
                .map(chunk -> chunk.at("/choices/0/delta/" + field).asString(""))
                .collect(Collectors.joining());
    }

    private static String body(String content, int tokens, String more) {
        return "{\"messages\":[{\"role\":\"user\",\"content\":\"" + content + "\"}],\"max_tokens\":" + tokens + more
                + "}";
    }
}
