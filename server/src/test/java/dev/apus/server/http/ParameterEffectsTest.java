package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.models.chat.JinjaTemplate;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** Parameters of the template and of special tokens do what they are for. The engine repeats the prompt. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ParameterEffectsTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String TEMPLATE =
            "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}{% if add_generation_prompt %}A>{% endif %}"
                    + "{{ mood }}{{ reasoning_effort }}{% for d in documents or [] %}[{{ d.title }}]{% endfor %}"
                    + "{% for t in tools or [] %}<{{ t.function.name }}>{% endfor %}";

    private final ApiServer server = new ApiServer(
            new CharTokenizer('^'),
            new ScriptedEngine(new EchoScript()),
            JinjaTemplate.compile(TEMPLATE),
            options -> options.api(new ApiOptions("none", true)));

    @AfterAll
    void close() {
        server.close();
    }

    @Test
    void theTemplateGetsItsVariables() throws Exception {
        assertThat(prompt("\"chat_template_kwargs\":{\"mood\":\"glad\",\"messages\":[]}"))
                .isEqualTo("u:hi;A>glad");
        assertThat(prompt("\"reasoning_effort\":\"low\"")).isEqualTo("u:hi;A>low");
        assertThat(prompt("\"documents\":[{\"title\":\"one\"},{\"title\":\"two\"}]"))
                .isEqualTo("u:hi;A>[one][two]");
        assertThat(prompt("\"tool_choice\":\"none\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"))
                .isEqualTo("u:hi;A><f>");
    }

    @Test
    void anAnswerIsBegunContinuedOrNeither() throws Exception {
        assertThat(prompt("\"add_generation_prompt\":true")).isEqualTo("u:hi;A>");
        assertThat(prompt("\"add_generation_prompt\":false")).isEqualTo("u:hi;");
        String conversation =
                "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"Well\"}],";
        assertThat(server.ask("/tokenize", conversation + "\"continue_final_message\":true}")
                        .get("count")
                        .asInt())
                .isEqualTo("u:hi;a:Well".length());
        assertThat(server.post(CHAT, conversation + "\"continue_final_message\":true,\"add_generation_prompt\":true}")
                        .body())
                .contains("exclude each other");
    }

    @Test
    void specialTokensAreAddedAndShownIfAsked() throws Exception {
        assertThat(text("\"skip_special_tokens\":false")).isEqualTo("^ab^");
        assertThat(text("\"skip_special_tokens\":true")).isEqualTo("ab");
        assertThat(text("\"skip_special_tokens\":false,\"add_special_tokens\":false"))
                .isEqualTo("abab");
        String chat = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":1,";
        assertThat(server.ask(CHAT, chat + "\"add_special_tokens\":true,\"return_token_ids\":true}")
                        .at("/prompt_token_ids/0")
                        .asInt())
                .isEqualTo('^');
        assertThat(server.ask(CHAT, chat + "\"return_token_ids\":true}")
                        .at("/prompt_token_ids/0")
                        .asInt())
                .isEqualTo('u');
    }

    @Test
    void aTrustedRequestBringsItsTemplate() throws Exception {
        String own = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":4,\"chat_template\":";
        assertThat(server.ask(CHAT, own + "\"<{{ messages[0].content }}>\"}")
                        .at("/choices/0/message/content")
                        .asString())
                .isEqualTo("<hi>");
        assertThat(server.post(CHAT, own + "\"{{ oh\"}").body()).contains("chat template");
    }

    @Test
    void aPromptIsCutAtTheSideAskedFor() throws Exception {
        assertThat(cut("\"truncation_side\":\"left\"")).isEqualTo("efe");
        assertThat(cut("\"truncation_side\":null")).isEqualTo("efe");
        assertThat(cut("\"truncation_side\":\"right\"")).isEqualTo("aba");
        assertThat(server.post("/v1/completions", "{\"prompt\":\"a\",\"truncation_side\":\"up\"}")
                        .body())
                .contains("\"param\":\"truncation_side\"");
    }

    private String cut(String side) throws Exception {
        return server.ask(
                        "/v1/completions",
                        "{\"prompt\":\"abcdef\",\"add_special_tokens\":false,\"truncate_prompt_tokens\":2,"
                                + "\"max_tokens\":3," + side + "}")
                .at("/choices/0/text")
                .asString();
    }

    @Test
    void aTextThatGoesInCirclesEnds() throws Exception {
        String body = "{\"prompt\":\"abc\",\"add_special_tokens\":false,\"max_tokens\":1000,\"repetition_detection\":";
        JsonNode choice = server.ask(
                        "/v1/completions", body + "{\"max_pattern_size\":5,\"min_pattern_size\":2,\"min_count\":4}}")
                .at("/choices/0");
        assertThat(choice.get("text").asString()).isEqualTo("abcabcabcabc");
        assertThat(choice.get("finish_reason").asString()).isEqualTo("repetition");
        assertThat(choice.get("stop_reason").asString()).isEqualTo("repetition_detected");
        // Patterns of two tokens are not in it.
        assertThat(server.ask("/v1/completions", body + "{\"max_pattern_size\":2,\"min_count\":4}}")
                        .at("/choices/0/finish_reason")
                        .asString())
                .isEqualTo("length");
        assertThat(server.post("/v1/completions", body + "{\"max_pattern_size\":1025}}")
                        .body())
                .contains("\"param\":\"repetition_detection.max_pattern_size\"");
    }

    @Test
    void chunksComeAtTheIntervalAskedFor() throws Exception {
        List<JsonNode> chunks = server.chunks(
                "/v1/completions",
                "{\"prompt\":\"abc\",\"add_special_tokens\":false,\"max_tokens\":100,\"stream\":true,\"stream_interval\":40,"
                        + "\"return_token_ids\":true}");
        List<Integer> sizes = chunks.stream()
                .map(chunk -> chunk.at("/choices/0/token_ids").size())
                .toList();
        assertThat(sizes.stream().mapToInt(Integer::intValue).sum()).isEqualTo(100);
        // The first as soon as there is something, the last when there is no more; those between have waited.
        assertThat(sizes.subList(Math.min(1, sizes.size() - 1), sizes.size() - 1))
                .allSatisfy(size -> assertThat(size).isGreaterThanOrEqualTo(40));
        assertThat(sizes).hasSizeLessThanOrEqualTo(4);
    }

    private String text(String parameters) throws Exception {
        return server.ask("/v1/completions", "{\"prompt\":\"ab\",\"max_tokens\":4," + parameters + "}")
                .at("/choices/0/text")
                .asString();
    }

    private String prompt(String parameters) throws Exception {
        String text = server.ask(
                        CHAT,
                        "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":40," + parameters + "}")
                .at("/choices/0/message/content")
                .asString();
        // The engine repeats it.
        int again = text.indexOf("u:hi;", 1);
        return again < 0 ? text : text.substring(0, again);
    }
}
