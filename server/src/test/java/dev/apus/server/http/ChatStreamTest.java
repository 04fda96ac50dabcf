package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.Engine;
import dev.apus.scheduler.EngineEvent.FinishReason;
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** The events of a stream, one by one. */
@Timeout(30)
class ChatStreamTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String HELLO = "{\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}],\"stream\":true";

    /** What the tests speak; others' for the classes that extend this one. */
    Wire wire() {
        return Wire.HTTP_1_1;
    }

    @Test
    void tellsTheRoleFirstThenTextThenTheEndThenUsage() throws Exception {
        try (ApiServer server = echo()) {
            List<JsonNode> chunks = server.chunks(
                    CHAT,
                    HELLO + ",\"max_tokens\":7,\"stream_options\":{\"include_usage\":true},\"request_id\":\"mine-1\"}");

            assertThat(chunks).allSatisfy(chunk -> {
                assertThat(chunk.get("object").asString()).isEqualTo("chat.completion.chunk");
                assertThat(chunk.get("id").asString()).isEqualTo("chatcmpl-mine-1");
                assertThat(chunk.get("model").asString()).isEqualTo("stub");
                assertThat(chunk.get("created").asLong()).isPositive();
            });
            JsonNode first = chunks.getFirst().at("/choices/0");
            assertThat(first.at("/delta/role").asString()).isEqualTo("assistant");
            assertThat(first.at("/delta/content").asString()).isEmpty();
            assertThat(first.get("finish_reason").isNull()).isTrue();
            List<JsonNode> texts = chunks.subList(1, chunks.size() - 1);
            assertThat(join(texts)).isEqualTo("hellohe");
            assertThat(texts).noneMatch(chunk -> chunk.at("/choices/0/delta").has("role"));
            assertThat(texts.subList(0, texts.size() - 1))
                    .allMatch(chunk -> chunk.at("/choices/0/finish_reason").isNull());
            assertThat(texts.getLast().at("/choices/0/finish_reason").asString())
                    .isEqualTo("length");
            JsonNode last = chunks.getLast();
            assertThat(last.get("choices").isEmpty()).isTrue();
            assertThat(last.at("/usage/prompt_tokens").asInt()).isEqualTo(5);
            assertThat(last.at("/usage/completion_tokens").asInt()).isEqualTo(7);
            assertThat(last.at("/usage/total_tokens").asInt()).isEqualTo(12);
        }
    }

    @Test
    void tellsNoUsageUnasked() throws Exception {
        try (ApiServer server = echo()) {
            assertThat(server.chunks(CHAT, HELLO + ",\"max_tokens\":7}"))
                    .isNotEmpty()
                    .noneMatch(chunk -> chunk.has("usage"))
                    .noneMatch(chunk -> chunk.get("choices").isEmpty());
        }
    }

    @Test
    void tellsUsageInEveryChunkIfAsked() throws Exception {
        try (ApiServer server = echo()) {
            List<JsonNode> chunks = server.chunks(
                    CHAT,
                    HELLO
                            + ",\"max_tokens\":7,\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}}");

            int before = 0;
            for (JsonNode chunk : chunks) {
                int now = chunk.at("/usage/completion_tokens").asInt(-1);
                assertThat(now).isGreaterThanOrEqualTo(before);
                before = now;
            }
            assertThat(before).isEqualTo(7);
        }
    }

    @Test
    void everyChoiceHasItsOwnRoleAndEnd() throws Exception {
        try (ApiServer server = echo()) {
            List<JsonNode> chunks = server.chunks(CHAT, HELLO + ",\"max_tokens\":4,\"n\":3}");
            for (int i = 0; i < 3; i++) {
                int index = i;
                List<JsonNode> own = chunks.stream()
                        .filter(chunk -> chunk.at("/choices/0/index").asInt() == index)
                        .toList();
                assertThat(own.getFirst().at("/choices/0/delta/role").asString())
                        .isEqualTo("assistant");
                assertThat(join(own)).isEqualTo("hell");
                assertThat(own)
                        .filteredOn(
                                chunk -> !chunk.at("/choices/0/finish_reason").isNull())
                        .containsExactly(own.getLast());
            }
        }
    }

    @Test
    void anAnswerWithoutTextHasARoleAndAnEnd() throws Exception {
        ScriptedEngine engine = new ScriptedEngine(answer -> {
            answer.tokens(0);
            answer.finish(FinishReason.STOP, 0);
        });
        try (ApiServer server = server(engine)) {
            List<JsonNode> chunks = server.chunks(CHAT, HELLO + "}");

            assertThat(chunks).hasSize(2);
            assertThat(chunks.get(0).at("/choices/0/delta/role").asString()).isEqualTo("assistant");
            assertThat(chunks.get(1).at("/choices/0/delta/content").asString()).isEmpty();
            assertThat(chunks.get(1).at("/choices/0/finish_reason").asString()).isEqualTo("stop");
        }
    }

    @Test
    void namesTheStopTokenAndTellsIds() throws Exception {
        ScriptedEngine engine = new ScriptedEngine(answer -> {
            answer.tokens('a', 'b', 'c');
            answer.finish(FinishReason.STOP, 'c');
        });
        try (ApiServer server = server(engine)) {
            String ask = ",\"stop_token_ids\":[99],\"return_token_ids\":true";
            List<JsonNode> chunks = server.chunks(CHAT, HELLO + ask + "}");
            JsonNode end = chunks.getLast().at("/choices/0");

            assertThat(join(chunks)).isEqualTo("ab");
            assertThat(end.get("finish_reason").asString()).isEqualTo("stop");
            assertThat(end.get("stop_reason").asInt()).isEqualTo(99);
            assertThat(chunks.getFirst().get("prompt_token_ids")).isEqualTo(server.tree("[104,101,108,108,111]"));
            assertThat(chunks.stream()
                            .flatMap(chunk -> chunk.at("/choices/0/token_ids").valueStream())
                            .map(JsonNode::asInt))
                    .containsExactly(97, 98, 99);

            JsonNode whole = server.ask(CHAT, HELLO.replace("true", "false") + ask + "}");
            assertThat(whole.at("/choices/0/message/content").asString()).isEqualTo("ab");
            assertThat(whole.get("prompt_token_ids")).isEqualTo(server.tree("[104,101,108,108,111]"));
            assertThat(whole.at("/choices/0/token_ids")).isEqualTo(server.tree("[97,98,99]"));
        }
    }

    @Test
    void aFailureInMidStreamIsAnErrorEvent() throws Exception {
        CountDownLatch seen = new CountDownLatch(1);
        ScriptedEngine engine = new ScriptedEngine(answer -> {
            answer.tokens('h', 'i');
            seen.await();
            answer.fail("the device is lost", false);
        });
        try (ApiServer server = server(engine)) {
            HttpResponse<InputStream> response =
                    server.client().send(server.request(CHAT, HELLO + "}"), BodyHandlers.ofInputStream());
            try (BufferedReader lines =
                    new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
                assertThat(lines.readLine()).contains("\"role\":\"assistant\"");
                seen.countDown();
                List<String> rest =
                        lines.lines().filter(line -> !line.isEmpty()).toList();
                JsonNode error = server.tree(rest.get(rest.size() - 2).substring("data: ".length()))
                        .get("error");

                assertThat(rest.getLast()).isEqualTo("data: [DONE]");
                assertThat(error.get("message").asString()).isEqualTo("the device is lost");
                assertThat(error.get("type").asString()).isEqualTo("server_error");
                assertThat(error.get("code").asString()).isEqualTo("engine_error");
            }
        }
    }

    @Test
    void aFailureBeforeTheFirstTokenIsAStatus() throws Exception {
        try (ApiServer server = server(new ScriptedEngine(answer -> answer.fail("timed out", true)))) {
            HttpResponse<String> streamed = server.post(CHAT, HELLO + "}");
            assertThat(streamed.statusCode()).isEqualTo(503);
            assertThat(streamed.headers().firstValue("retry-after")).isPresent();
            assertThat(streamed.body()).contains("timed out");
            assertThat(server.post(CHAT, HELLO.replace("true", "false") + "}").statusCode())
                    .isEqualTo(503);
        }
    }

    /** The engine's likeliest ids run over the end of this tokenizer, which throws. */
    @Test
    void anAnswerThatCannotBeWrittenIsAnErrorAndNoOthers() throws Exception {
        try (ApiServer server = new ApiServer(
                wire(), new BytesTokenizer(List.of()), new ScriptedEngine(new EchoScript()), options -> options)) {
            String bad = "{\"prompt\":[250],\"max_tokens\":3,\"logprobs\":20";
            for (String body : List.of(bad + "}", bad + ",\"stream\":true}")) {
                HttpResponse<String> response = server.post("/v1/completions", body);
                assertThat(response.statusCode()).isEqualTo(500);
                assertThat(response.body()).contains("\"code\":\"internal_error\"");
                assertThat(join(server.chunks(CHAT, HELLO + ",\"max_tokens\":5}")))
                        .isEqualTo("hello");
            }
        }
    }

    private ApiServer server(Engine engine) {
        return new ApiServer(wire(), new CharTokenizer(), engine, options -> options);
    }

    private ApiServer echo() {
        return server(new ScriptedEngine(new EchoScript()));
    }

    private static String join(List<JsonNode> chunks) {
        StringBuilder text = new StringBuilder();
        chunks.forEach(chunk -> text.append(chunk.at("/choices/0/delta/content").asString()));
        return text.toString();
    }
}
