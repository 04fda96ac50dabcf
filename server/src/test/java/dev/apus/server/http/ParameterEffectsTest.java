package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.models.chat.JinjaTemplate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

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
            options -> options);

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
