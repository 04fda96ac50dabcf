package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Answers against the schemas of OpenAI's public document, which {@code openai-schemas.json} has in its shape, as well as against our own,
 * by which {@link ApiServer} checks every answer of every test.
 */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ContractTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String TEXT = "/v1/completions";

    private final ApiServer server = new ApiServer(
            new CharTokenizer(),
            new ScriptedEngine(new EchoScript()),
            options -> options.api(new ApiOptions("qwen3", false)));
    private final Contract openAi = openAi();

    private static Contract openAi() {
        try (InputStream in = Objects.requireNonNull(
                ContractTest.class.getResourceAsStream("/dev/apus/server/openai-schemas.json"))) {
            return new Contract(new JsonMapper().readTree(in));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @AfterAll
    void close() {
        server.close();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                ",\"n\":2",
                ",\"logprobs\":true",
                ",\"logprobs\":true,\"top_logprobs\":3",
                ",\"stop\":\"b\"",
                ",\"return_token_ids\":true",
                ",\"include_reasoning\":false",
                ",\"seed\":1,\"user\":\"u\",\"metadata\":{\"a\":\"b\"},\"store\":true"
            })
    void chats(String parameters) throws Exception {
        for (String content : List.of("abc", "<think>a</think>b")) {
            String body = "{\"messages\":[{\"role\":\"user\",\"content\":\"" + content + "\"}],\"max_tokens\":24"
                    + parameters;
            openAi.checkComponent("CreateChatCompletionResponse", server.ask(CHAT, body + "}"));
            for (JsonNode chunk :
                    server.chunks(CHAT, body + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}")) {
                openAi.checkComponent("CreateChatCompletionStreamResponse", chunk);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                ",\"n\":2",
                ",\"best_of\":3",
                ",\"logprobs\":2",
                ",\"logprobs\":2,\"echo\":true",
                ",\"stop\":[\"b\"]",
                ",\"suffix\":null,\"return_token_ids\":true"
            })
    void textCompletions(String parameters) throws Exception {
        String body = "{\"prompt\":[\"abc\",[97,98]],\"max_tokens\":8" + parameters;
        openAi.checkComponent("CreateCompletionResponse", server.ask(TEXT, body + "}"));
        if (!parameters.contains("best_of")) {
            for (JsonNode chunk : server.chunks(TEXT, body + ",\"stream\":true}")) {
                openAi.checkComponent("CreateCompletionResponse", chunk);
            }
        }
    }

    @Test
    void models() throws Exception {
        openAi.checkComponent("ListModelsResponse", server.get("/v1/models"));
        openAi.checkComponent("Model", server.get("/v1/models/stub"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "[",
                "[]",
                "{}",
                "{\"messages\":1}",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"temperature\":-1}",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"model\":\"other\"}",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":[{\"type\":\"function\"}]}"
            })
    void errors(String body) throws Exception {
        HttpResponse<String> response = server.post(CHAT, body);
        assertThat(response.statusCode()).isBetween(400, 404);
        openAi.checkComponent("ErrorResponse", server.tree(response.body()));
    }

    @Test
    void anAnswerThatIsNotAsPromisedIsFound() throws Exception {
        Contract own = Contract.ofTheServer();
        String good = server.post(CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":1}")
                .body();
        assertThat(own.check("POST", CHAT, 200, "application/json", good)).isTrue();
        for (String bad : List.of(
                good.replace("\"object\"", "\"objects\""),
                good.replace("\"assistant\"", "\"user\""),
                good.replace("\"length\"", "\"tired\""),
                good.replace("\"completion_tokens\":1", "\"completion_tokens\":\"1\""))) {
            assertThat(bad).isNotEqualTo(good);
            assertThatThrownBy(() -> own.check("POST", CHAT, 200, "application/json; charset=utf-8", bad))
                    .isInstanceOf(AssertionError.class)
                    .hasMessageContaining("not as the document says");
        }
        assertThatThrownBy(() -> own.check("POST", CHAT, 400, "application/json", good))
                .isInstanceOf(AssertionError.class);
        assertThatThrownBy(() -> own.check("POST", CHAT, 200, "text/event-stream", "data: " + good + "\n\n"))
                .isInstanceOf(AssertionError.class);
        assertThat(own.check("POST", "/nothing", 404, "application/json", good)).isFalse();
    }
}
