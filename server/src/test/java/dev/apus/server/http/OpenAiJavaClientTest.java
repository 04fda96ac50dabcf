package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.RequestOptions;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.errors.OpenAIServiceException;
import com.openai.errors.RateLimitException;
import com.openai.errors.SseException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.completions.Completion;
import com.openai.models.completions.CompletionCreateParams;
import com.openai.models.models.Model;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The official Java client, which checks every answer against its own types ({@code responseValidation}). */
@Timeout(60)
class OpenAiJavaClientTest {
    private final ScriptedEngine engine = new ScriptedEngine(new EchoScript());
    private final ApiServer server = new ApiServer(new CharTokenizer(), engine);
    private final OpenAIClient client = OpenAIOkHttpClient.builder()
            .baseUrl(server.url() + "/v1")
            .apiKey("none")
            .maxRetries(0)
            .timeout(Duration.ofSeconds(20))
            .responseValidation(true)
            .build();

    @AfterEach
    void close() {
        client.close();
        server.close();
    }

    @Test
    void holdsAConversation() {
        ChatCompletionCreateParams.Builder conversation = chat("How are you?").maxCompletionTokens(7);
        ChatCompletion first = client.chat().completions().create(conversation.build());

        assertThat(first.choices().getFirst().message().content()).hasValue("How are");
        assertThat(first.choices().getFirst().finishReason()).isEqualTo(ChatCompletion.Choice.FinishReason.LENGTH);
        assertThat(first.usage()).hasValueSatisfying(usage -> {
            assertThat(usage.promptTokens()).isEqualTo(12);
            assertThat(usage.completionTokens()).isEqualTo(7);
            assertThat(usage.totalTokens()).isEqualTo(19);
        });

        conversation.addMessage(first.choices().getFirst().message()).addUserMessage("Grüße, 你好");
        ChatCompletion second = client.chat()
                .completions()
                .create(conversation.maxCompletionTokens(9).build());
        assertThat(second.choices().getFirst().message().content()).hasValue("Grüße, 你好");
        assertThat(second.id()).isNotEqualTo(first.id());
    }

    @Test
    void holdsAStreamedConversation() {
        ChatCompletionCreateParams params = chat("Tell me, 你好")
                .maxCompletionTokens(20)
                .streamOptions(
                        ChatCompletionStreamOptions.builder().includeUsage(true).build())
                .build();
        ChatCompletion whole = client.chat()
                .completions()
                .create(chat("Tell me, 你好").maxCompletionTokens(20).build());
        ChatCompletionAccumulator accumulator = ChatCompletionAccumulator.create();
        List<ChatCompletionChunk> chunks = new ArrayList<>();
        try (StreamResponse<ChatCompletionChunk> stream =
                client.chat().completions().createStreaming(params)) {
            stream.stream().map(accumulator::accumulate).forEach(chunks::add);
        }

        ChatCompletion streamed = accumulator.chatCompletion();
        assertThat(streamed.choices().getFirst().message().content())
                .isEqualTo(whole.choices().getFirst().message().content());
        assertThat(streamed.choices().getFirst().finishReason())
                .isEqualTo(whole.choices().getFirst().finishReason());
        assertThat(chunks.getFirst().choices().getFirst().delta().role())
                .hasValue(ChatCompletionChunk.Choice.Delta.Role.ASSISTANT);
        assertThat(chunks.getLast().choices()).isEmpty();
        assertThat(chunks.getLast().usage()).isEqualTo(whole.usage());
        assertThat(chunks).extracting(ChatCompletionChunk::id).containsOnly(streamed.id());
    }

    @Test
    void listsModels() {
        assertThat(client.models().list().data()).extracting(Model::id).containsExactly("stub");
        assertThat(client.models().retrieve("stub").id()).isEqualTo("stub");
        assertThatThrownBy(() -> client.models().retrieve("other")).isInstanceOf(NotFoundException.class);
    }

    @Test
    void completesText() {
        CompletionCreateParams.Builder params =
                CompletionCreateParams.builder().model("stub").prompt("abc").maxTokens(4);
        CompletionCreateParams scored = params.logprobs(2).build();
        Completion whole = client.completions().create(scored);

        assertThat(whole.choices().getFirst().text()).isEqualTo("abca");
        assertThat(whole.choices().getFirst().logprobs()).hasValueSatisfying(logprobs -> {
            assertThat(logprobs.tokens()).hasValue(List.of("a", "b", "c", "a"));
            assertThat(logprobs.textOffset()).hasValue(List.of(0L, 1L, 2L, 3L));
            assertThat(logprobs.topLogprobs())
                    .hasValueSatisfying(top -> assertThat(top).hasSize(4));
        });
        assertThat(streamed(scored)).isEqualTo("abca");
        // Not together with logprobs: this client fails on the null that stands for the first token, as it does with
        // OpenAI's.
        CompletionCreateParams echoed =
                params.logprobs(Optional.empty()).echo(true).build();
        assertThat(client.completions().create(echoed).choices().getFirst().text())
                .isEqualTo("abcabca");
        assertThat(streamed(echoed)).isEqualTo("abcabca");
    }

    private String streamed(CompletionCreateParams params) {
        StringBuilder text = new StringBuilder();
        // Its check asks for a finish_reason in every chunk; only the last has one, with OpenAI's servers, too.
        RequestOptions unchecked =
                RequestOptions.builder().responseValidation(false).build();
        try (StreamResponse<Completion> stream = client.completions().createStreaming(params, unchecked)) {
            stream.stream().flatMap(chunk -> chunk.choices().stream()).forEach(choice -> text.append(choice.text()));
        }
        return text.toString();
    }

    @Test
    void drawsChoicesWithLogprobsUntilAStopString() {
        ChatCompletion answer = client.chat()
                .completions()
                .create(chat("one two three")
                        .n(2)
                        .stopOfStrings(List.of(" three", "never"))
                        .logprobs(true)
                        .topLogprobs(2)
                        .build());

        assertThat(answer.choices()).extracting(ChatCompletion.Choice::index).containsExactly(0L, 1L);
        for (ChatCompletion.Choice choice : answer.choices()) {
            assertThat(choice.message().content()).hasValue("one two");
            assertThat(choice.finishReason()).isEqualTo(ChatCompletion.Choice.FinishReason.STOP);
            assertThat(choice.logprobs().flatMap(ChatCompletion.Choice.Logprobs::content))
                    .hasValueSatisfying(tokens -> {
                        assertThat(tokens).hasSize("one two three".length());
                        assertThat(tokens.getFirst().token()).isEqualTo("o");
                        assertThat(tokens.getFirst().bytes()).hasValue(List.of((long) 'o'));
                        assertThat(tokens.getFirst().logprob()).isEqualTo(-0.5);
                        assertThat(tokens.getFirst().topLogprobs()).hasSize(2);
                    });
        }
    }

    @Test
    void understandsErrors() {
        assertThatThrownBy(() -> client.chat()
                        .completions()
                        .create(chat("a")
                                .putAdditionalBodyProperty("top_k", JsonValue.from("many"))
                                .build()))
                .isInstanceOfSatisfying(BadRequestException.class, e -> assertError(e, "top_k", "invalid_type"));
        assertThatThrownBy(() -> client.chat()
                        .completions()
                        .create(ChatCompletionCreateParams.builder()
                                .model("other")
                                .addUserMessage("a")
                                .build()))
                .isInstanceOfSatisfying(NotFoundException.class, e -> assertError(e, "model", "model_not_found"));
        engine.full = true;
        assertThatThrownBy(() -> client.chat().completions().create(chat("a").build()))
                .isInstanceOfSatisfying(RateLimitException.class, e -> {
                    assertThat(e.code()).hasValue("queue_full");
                    assertThat(e.headers().values("retry-after")).containsExactly("3");
                });
    }

    @Test
    void understandsAnErrorInMidStream() {
        List<String> texts = new ArrayList<>();
        try (StreamResponse<ChatCompletionChunk> stream =
                client.chat().completions().createStreaming(chat("BREAK").build())) {
            assertThatThrownBy(() -> stream.stream().forEach(chunk -> {
                        texts.add(chunk.choices().getFirst().delta().content().orElse(""));
                        if (String.join("", texts).equals("BR")) {
                            client.completions()
                                    .create(CompletionCreateParams.builder()
                                            .model("stub")
                                            .prompt("GO")
                                            .build());
                        }
                    }))
                    .isInstanceOfSatisfying(SseException.class, e -> {
                        assertThat(e.code()).hasValue("engine_error");
                        assertThat(e).hasMessageContaining("the device is lost");
                    });
        }
        assertThat(String.join("", texts)).isEqualTo("BR");
    }

    private static ChatCompletionCreateParams.Builder chat(String user) {
        return ChatCompletionCreateParams.builder().model("stub").addUserMessage(user);
    }

    private static void assertError(OpenAIServiceException e, String param, String code) {
        assertThat(e.param()).hasValue(param);
        assertThat(e.code()).hasValue(code);
        assertThat(e.type()).hasValue("invalid_request_error");
    }
}
