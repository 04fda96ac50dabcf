package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.Request;
import dev.apus.scheduler.SamplingParams;
import dev.apus.scheduler.ThinkingBudget;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/** What a request asks for reaches the engine as it was asked for, by both endpoints. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SamplingParametersTest {
    private static final String PARAMETERS =
            "\"temperature\":0.5,\"top_k\":7,\"top_p\":0.25,\"min_p\":0.125,\"repetition_penalty\":1.5,"
                    + "\"presence_penalty\":-0.5,\"frequency_penalty\":0.75,\"seed\":-9,\"max_tokens\":33,\"min_tokens\":3,"
                    + "\"ignore_eos\":true,\"stop_token_ids\":[5,6],\"logit_bias\":{\"8\":-100,\"9\":2.5},"
                    + "\"allowed_token_ids\":[10,11,12],\"prompt_logprobs\":4,\"priority\":-2,\"cache_salt\":\"tenant\"";

    private final ServerFixture server = new ServerFixture(options -> options.api(new ApiOptions("qwen3", false)));

    @AfterAll
    void close() {
        server.close();
    }

    @Test
    void ofATextCompletion() throws Exception {
        assertAll(submitted("/v1/completions", "\"prompt\":\"ab\",\"logprobs\":2," + PARAMETERS));
    }

    @Test
    void ofAChat() throws Exception {
        assertAll(submitted(
                "/v1/chat/completions",
                "\"messages\":[{\"role\":\"user\",\"content\":\"ab\"}],\"logprobs\":true,\"top_logprobs\":2,"
                        + PARAMETERS));
    }

    @Test
    void logprobsOfNamedTokensTakeThePlaceOfTheLikeliest() throws Exception {
        for (Request request : List.of(
                submitted("/v1/completions", "\"prompt\":\"ab\",\"logprobs\":0,\"logprob_token_ids\":[7,5,9]"),
                submitted(
                        "/v1/chat/completions",
                        "\"messages\":[{\"role\":\"user\",\"content\":\"ab\"}],\"logprobs\":true,"
                                + "\"logprob_token_ids\":[7,5,9]"))) {
            assertThat(request.params().logprobTokenIds()).containsExactly(7, 5, 9);
            assertThat(request.params().logprobs()).isEqualTo(3);
        }
    }

    @Test
    void badWordsBecomeTokens() throws Exception {
        Request request = submitted("/v1/completions", "\"prompt\":\"ab\",\"bad_words\":[\"no\",\" x\"]");
        assertThat(request.params().badWords()).containsExactly(List.of((int) 'n', (int) 'o'), List.of((int) 'x'));
        assertThat(submitted("/v1/completions", "\"prompt\":\"ab\",\"bad_words\":\"no\"")
                        .params()
                        .badWords())
                .hasSize(1);
    }

    @Test
    void aBudgetOfThoughtsKnowsWhetherThePromptOpensOne() throws Exception {
        String parameters = "],\"thinking_token_budget\":5";
        Request before =
                submitted("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"ab\"}" + parameters);
        ThinkingBudget budget = Objects.requireNonNull(before.params().thinkingBudget());
        assertThat(budget.tokens()).isEqualTo(5);
        assertThat(budget.within()).isFalse();
        assertThat(budget.end()).isEqualTo("</think>".chars().boxed().toList());
        Request within = submitted(
                "/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"ab<think>\"}" + parameters);
        assertThat(Objects.requireNonNull(within.params().thinkingBudget()).within())
                .isTrue();
    }

    @Test
    void choicesDifferByTheirSeedsOnly() throws Exception {
        try (RawClient client = server.connect()) {
            client.send(RawClient.post("/v1/completions", "{\"prompt\":[\"ab\",\"cd\"],\"n\":2,\"seed\":40}"));
            assertThat(List.of(
                            next().params().seed(),
                            next().params().seed(),
                            next().params().seed()))
                    .containsExactly(40L, 41L, 40L);
            assertThat(next().prompt()).containsExactly('c', 'd');
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 200 ");
        }
    }

    private static void assertAll(Request request) {
        assertThat(request.prompt()).containsExactly('a', 'b');
        assertThat(request.priority()).isEqualTo(-2);
        assertThat(request.cacheSalt()).isEqualTo("tenant");
        SamplingParams params = request.params();
        assertThat(params.temperature()).isEqualTo(0.5f);
        assertThat(params.topK()).isEqualTo(7);
        assertThat(params.topP()).isEqualTo(0.25f);
        assertThat(params.minP()).isEqualTo(0.125f);
        assertThat(params.repetitionPenalty()).isEqualTo(1.5f);
        assertThat(params.presencePenalty()).isEqualTo(-0.5f);
        assertThat(params.frequencyPenalty()).isEqualTo(0.75f);
        assertThat(params.seed()).isEqualTo(-9);
        assertThat(params.maxTokens()).isEqualTo(33);
        assertThat(params.minTokens()).isEqualTo(3);
        assertThat(params.ignoreEos()).isTrue();
        assertThat(params.stopTokenIds()).isEqualTo(Set.of(5, 6));
        assertThat(params.logitBias()).isEqualTo(Map.of(8, -100f, 9, 2.5f));
        assertThat(params.allowedTokenIds()).containsExactly(10, 11, 12);
        assertThat(params.logprobs()).isEqualTo(2);
        assertThat(params.promptLogprobs()).isEqualTo(4);
    }

    private Request submitted(String path, String parameters) throws Exception {
        try (RawClient client = server.connect()) {
            client.send(RawClient.post(path, "{" + parameters + "}"));
            Request request = next();
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 200 ");
            return request;
        }
    }

    private Request next() throws InterruptedException {
        ManualEngine.Work work = server.engine.next();
        server.engine.finish(work);
        return work.request;
    }
}
