package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.EngineEvent.FinishReason;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** {@code best_of}: of the sequences of each prompt the likeliest are sent, and all are paid for. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class BestOfTest {
    private static final String TEXT = "/v1/completions";

    /** A sequence says its seed; the nearer that is to 12, the likelier its tokens. */
    private final ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(answer -> {
        int seed = (int) answer.request().params().seed();
        answer.tokensOf(
                -1f * Math.abs(seed - 12), 'a' + seed - 10, answer.request().prompt()[0]);
        answer.finish(FinishReason.LENGTH, -1);
    }));

    @AfterAll
    void close() {
        server.close();
    }

    @Test
    void theLikeliestAreSent() throws Exception {
        JsonNode answer = server.ask(
                TEXT, "{\"prompt\":[\"x\",\"y\"],\"n\":2,\"best_of\":4,\"seed\":10,\"max_tokens\":2,\"logprobs\":0}");
        assertThat(answer.get("choices")).hasSize(4);
        String[] texts = {"cx", "bx", "cy", "by"};
        for (int i = 0; i < texts.length; i++) {
            JsonNode choice = answer.get("choices").get(i);
            assertThat(choice.get("index").asInt()).isEqualTo(i);
            assertThat(choice.get("text").asString()).isEqualTo(texts[i]);
            assertThat(choice.at("/logprobs/token_logprobs/0").asDouble()).isEqualTo(i % 2 == 0 ? 0 : -1);
        }
        assertThat(answer.at("/usage/prompt_tokens").asInt()).isEqualTo(2);
        assertThat(answer.at("/usage/completion_tokens").asInt()).isEqualTo(16);
    }

    @Test
    void noLogprobsAreToldUnasked() throws Exception {
        JsonNode answer = server.ask(TEXT, "{\"prompt\":\"x\",\"best_of\":3,\"seed\":10,\"max_tokens\":2}");
        assertThat(answer.at("/choices/0/text").asString()).isEqualTo("cx");
        assertThat(answer.at("/choices/0/logprobs").isNull()).isTrue();
    }

    @Test
    void itIsRefusedWhereItCannotBe() throws Exception {
        assertThat(server.post(TEXT, "{\"prompt\":\"x\",\"best_of\":3,\"stream\":true}")
                        .body())
                .contains("\"param\":\"best_of\"");
        assertThat(server.post(TEXT, "{\"prompt\":\"x\",\"n\":3,\"best_of\":2}").body())
                .contains("\"param\":\"best_of\"", "3 to 128");
        assertThat(server.post(
                                "/v1/chat/completions",
                                "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"best_of\":2}")
                        .body())
                .contains("\"param\":\"best_of\"", "/v1/completions only");
    }
}
