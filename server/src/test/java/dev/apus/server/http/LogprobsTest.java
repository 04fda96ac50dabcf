package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** Log-probabilities, {@code prompt_logprobs}, {@code echo}, token ids and the token routes; the engine repeats the prompt. */
@Timeout(30)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LogprobsTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String TEXT = "/v1/completions";

    private final ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()));
    private final ApiServer bytes = new ApiServer(new BytesTokenizer(List.of()), new ScriptedEngine(new EchoScript()));

    @AfterAll
    void close() {
        server.close();
        bytes.close();
    }

    @Test
    void aChatTellsTokensWithTheirBytes() throws Exception {
        JsonNode content = server.ask(
                        CHAT,
                        "{\"messages\":[{\"role\":\"user\",\"content\":\"aß\"}],\"max_tokens\":3,\"logprobs\":true,\"top_logprobs\":2}")
                .at("/choices/0/logprobs/content");

        assertThat(content).hasSize(3);
        assertThat(content.get(1))
                .isEqualTo(server.tree("{\"token\":\"ß\",\"logprob\":-0.5,\"bytes\":[195,159],\"top_logprobs\":["
                        + "{\"token\":\"ß\",\"logprob\":-0.5,\"bytes\":[195,159]},"
                        + "{\"token\":\"à\",\"logprob\":-1.5,\"bytes\":[195,160]}]}"));
    }

    @Test
    void aChatWithoutTopLogprobsTellsTheDrawnTokenOnly() throws Exception {
        JsonNode content = server.ask(
                        CHAT,
                        "{\"messages\":[{\"role\":\"user\",\"content\":\"ab\"}],\"max_tokens\":1,\"logprobs\":true}")
                .at("/choices/0/logprobs/content");

        assertThat(content.get(0).get("logprob").asDouble()).isEqualTo(-0.5);
        assertThat(content.get(0).get("top_logprobs")).isEmpty();
    }

    @Test
    void bytesOfASplitCharacterJoin() throws Exception {
        JsonNode choice = bytes.ask(
                        CHAT,
                        "{\"messages\":[{\"role\":\"user\",\"content\":\"😀\"}],\"max_tokens\":4,\"logprobs\":true}")
                .at("/choices/0");

        assertThat(choice.at("/message/content").asString()).isEqualTo("😀");
        assertThat(choice.at("/logprobs/content")
                        .valueStream()
                        .flatMap(token -> token.get("bytes").valueStream())
                        .map(JsonNode::asInt))
                .containsExactly(0xf0, 0x9f, 0x98, 0x80);
    }

    @Test
    void aStreamTellsTheSameLogprobsAsTheWholeAnswer() throws Exception {
        String chat = "{\"messages\":[{\"role\":\"user\",\"content\":\"abc\"}],\"max_tokens\":9,\"logprobs\":true,"
                + "\"top_logprobs\":1,\"stop\":\"cab\"";
        List<JsonNode> streamed = new ArrayList<>();
        for (JsonNode chunk : server.chunks(CHAT, chat + ",\"stream\":true}")) {
            chunk.at("/choices/0/logprobs/content").forEach(streamed::add);
        }
        assertThat(streamed)
                .hasSize(5)
                .containsExactlyElementsOf(server.ask(CHAT, chat + "}").at("/choices/0/logprobs/content"));

        String text = "{\"prompt\":\"abc\",\"max_tokens\":5,\"logprobs\":1,\"echo\":true";
        JsonNode whole = server.ask(TEXT, text + "}").at("/choices/0/logprobs");
        List<JsonNode> chunks = server.chunks(TEXT, text + ",\"stream\":true}");
        for (String list : List.of("text_offset", "token_logprobs", "tokens", "top_logprobs")) {
            List<JsonNode> joined = new ArrayList<>();
            chunks.forEach(chunk -> chunk.at("/choices/0/logprobs/" + list).forEach(joined::add));
            assertThat(joined).as(list).hasSize(8).containsExactlyElementsOf(whole.get(list));
        }
    }

    @Test
    void echoComesWithThePromptsLogprobs() throws Exception {
        JsonNode choice = server.ask(TEXT, "{\"prompt\":\"abc\",\"max_tokens\":2,\"logprobs\":1,\"echo\":true}")
                .at("/choices/0");

        assertThat(choice.get("text").asString()).isEqualTo("abcab");
        assertThat(choice.get("logprobs"))
                .isEqualTo(server.tree("{\"text_offset\":[0,1,2,3,4],\"token_logprobs\":[null,-0.5,-0.5,-0.5,-0.5],"
                        + "\"tokens\":[\"a\",\"b\",\"c\",\"a\",\"b\"],"
                        + "\"top_logprobs\":[null,{\"b\":-0.5},{\"c\":-0.5},{\"a\":-0.5},{\"b\":-0.5}]}"));
    }

    @Test
    void echoOfNoNewTokensScoresThePrompt() throws Exception {
        String body = "{\"prompt\":[[97,98]],\"max_tokens\":0,\"logprobs\":0,\"echo\":true";
        JsonNode whole = server.ask(TEXT, body + "}");

        assertThat(whole.at("/choices/0/text").asString()).isEqualTo("ab");
        assertThat(whole.at("/choices/0/finish_reason").asString()).isEqualTo("length");
        assertThat(whole.at("/choices/0/logprobs/token_logprobs")).isEqualTo(server.tree("[null,-0.5]"));
        assertThat(whole.at("/usage/completion_tokens").asInt()).isZero();
        List<JsonNode> chunks = server.chunks(TEXT, body + ",\"stream\":true}");
        assertThat(chunks.getLast().at("/choices/0/finish_reason").asString()).isEqualTo("length");
        assertThat(chunks.stream().map(chunk -> chunk.at("/choices/0/text").asString()))
                .contains("ab");
    }

    @Test
    void promptLogprobsAreNullAndThenMaps() throws Exception {
        String two = "{\"98\":{\"logprob\":-0.5,\"rank\":1,\"decoded_token\":\"b\"},"
                + "\"99\":{\"logprob\":-1.5,\"rank\":2,\"decoded_token\":\"c\"}}";
        JsonNode chat = server.ask(
                CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"ab\"}],\"max_tokens\":1,\"prompt_logprobs\":2}");
        assertThat(chat.get("prompt_logprobs")).isEqualTo(server.tree("[null," + two + "]"));
        assertThat(chat.at("/choices/0/logprobs").isNull()).isTrue();

        JsonNode text = server.ask(TEXT, "{\"prompt\":[\"ab\",\"a\"],\"max_tokens\":1,\"prompt_logprobs\":2}");
        assertThat(text.at("/choices/0/prompt_logprobs")).isEqualTo(server.tree("[null," + two + "]"));
        assertThat(text.at("/choices/1/prompt_logprobs")).isEqualTo(server.tree("[null]"));
    }

    @Test
    void echoAndPromptLogprobsEachGetTheirOwnNumber() throws Exception {
        JsonNode choice = server.ask(
                        TEXT, "{\"prompt\":\"ab\",\"max_tokens\":1,\"logprobs\":3,\"echo\":true,\"prompt_logprobs\":0}")
                .at("/choices/0");
        assertThat(choice.at("/prompt_logprobs/1")).hasSize(1);
        assertThat(choice.at("/logprobs/top_logprobs/1")).hasSize(3);

        choice = server.ask(
                        TEXT, "{\"prompt\":\"ab\",\"max_tokens\":1,\"logprobs\":1,\"echo\":true,\"prompt_logprobs\":3}")
                .at("/choices/0");
        assertThat(choice.at("/prompt_logprobs/1")).hasSize(3);
        assertThat(choice.at("/logprobs/top_logprobs/1")).hasSize(1);
    }

    @Test
    void tellsTokenIdsOfTextCompletions() throws Exception {
        String body = "{\"prompt\":\"ab\",\"max_tokens\":3,\"return_token_ids\":true";
        JsonNode choice = server.ask(TEXT, body + "}").at("/choices/0");
        assertThat(choice.get("prompt_token_ids")).isEqualTo(server.tree("[97,98]"));
        assertThat(choice.get("token_ids")).isEqualTo(server.tree("[97,98,97]"));

        List<JsonNode> chunks = server.chunks(TEXT, body + ",\"stream\":true}");
        assertThat(chunks.getFirst().at("/choices/0/prompt_token_ids")).isEqualTo(server.tree("[97,98]"));
        assertThat(chunks.stream()
                        .flatMap(chunk -> chunk.at("/choices/0/token_ids").valueStream())
                        .map(JsonNode::asInt))
                .containsExactly(97, 98, 97);
    }

    @Test
    void namesTokensByIdIfAsked() throws Exception {
        JsonNode logprobs = server.ask(
                        TEXT, "{\"prompt\":\"ab\",\"max_tokens\":1,\"logprobs\":1,\"return_tokens_as_token_ids\":true}")
                .at("/choices/0/logprobs");
        assertThat(logprobs.get("tokens")).isEqualTo(server.tree("[\"token_id:97\"]"));
        assertThat(logprobs.get("top_logprobs")).isEqualTo(server.tree("[{\"token_id:97\":-0.5}]"));
    }

    @Test
    void tokenizesAndBack() throws Exception {
        JsonNode tokens = bytes.ask("/tokenize", "{\"prompt\":\"aß\",\"return_token_strs\":true}");
        assertThat(tokens)
                .isEqualTo(bytes.tree("{\"count\":3,\"max_model_len\":4096,\"tokens\":[97,195,159],"
                        + "\"token_strs\":[\"a\",\"\u00c3\",\"\u009f\"]}"));
        assertThat(bytes.ask("/detokenize", "{\"tokens\":" + tokens.get("tokens") + "}"))
                .isEqualTo(bytes.tree("{\"prompt\":\"aß\"}"));
        assertThat(bytes.ask("/detokenize", "{\"tokens\":[]}")).isEqualTo(bytes.tree("{\"prompt\":\"\"}"));

        JsonNode chat =
                bytes.ask("/tokenize", "{\"model\":\"stub\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
        assertThat(chat.get("tokens")).isEqualTo(bytes.tree("[104,105]"));
        assertThat(chat.get("token_strs").isNull()).isTrue();

        assertThat(bytes.post("/tokenize", "{}").body()).contains("'prompt' is missing");
        assertThat(bytes.post("/detokenize", "{\"tokens\":[256]}").body()).contains("\"param\":\"tokens[0]\"");
        assertThat(bytes.post("/detokenize", "{\"tokens\":\"a\"}").body()).contains("\"param\":\"tokens\"");
        assertThat(bytes.post("/detokenize", "{}").statusCode()).isEqualTo(400);
    }
}
