package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import dev.langchain4j.model.output.FinishReason;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/** LangChain4j's OpenAI models against the server, whose engine repeats what the user said. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LangChain4jClientTest {
    private static final String THOUGHT = "<think>let me see</think>it is so";

    private final ApiServer server = new ApiServer(
            new CharTokenizer(),
            new ScriptedEngine(new EchoScript()),
            options -> options.api(new ApiOptions("qwen3", false)));

    @AfterAll
    void close() {
        server.close();
    }

    private OpenAiChatModel.OpenAiChatModelBuilder model() {
        return OpenAiChatModel.builder()
                .baseUrl(server.url() + "/v1")
                .apiKey("none")
                .modelName("stub")
                .maxRetries(0)
                .timeout(Duration.ofSeconds(20));
    }

    @Test
    void aConversation() {
        ChatResponse answer =
                model().maxCompletionTokens(7).seed(3).temperature(0.5).build().chat(UserMessage.from("How are you?"));
        assertThat(answer.aiMessage().text()).isEqualTo("How are");
        assertThat(answer.finishReason()).isEqualTo(FinishReason.LENGTH);
        assertThat(answer.tokenUsage().inputTokenCount()).isEqualTo(12);
        assertThat(answer.tokenUsage().outputTokenCount()).isEqualTo(7);
    }

    @Test
    void thoughtsAndParametersOfOurOwn() {
        AiMessage message = model().returnThinking(true)
                .maxTokens(THOUGHT.length())
                .customParameters(Map.of("top_k", 5, "ignore_eos", true))
                .build()
                .chat(UserMessage.from(THOUGHT))
                .aiMessage();
        assertThat(message.thinking()).isEqualTo("let me see");
        assertThat(message.text()).isEqualTo("it is so");
    }

    @Test
    void aStreamWithThoughts() throws Exception {
        StringBuilder text = new StringBuilder();
        StringBuilder thoughts = new StringBuilder();
        CompletableFuture<ChatResponse> end = new CompletableFuture<>();
        OpenAiStreamingChatModel.builder()
                .baseUrl(server.url() + "/v1")
                .apiKey("none")
                .modelName("stub")
                .returnThinking(true)
                .maxTokens(THOUGHT.length())
                .timeout(Duration.ofSeconds(20))
                .build()
                .chat(THOUGHT, new StreamingChatResponseHandler() {
                    @Override
                    public void onPartialResponse(String piece) {
                        text.append(piece);
                    }

                    @Override
                    public void onPartialThinking(PartialThinking piece) {
                        thoughts.append(piece.text());
                    }

                    @Override
                    public void onCompleteResponse(ChatResponse response) {
                        end.complete(response);
                    }

                    @Override
                    public void onError(Throwable error) {
                        end.completeExceptionally(error);
                    }
                });
        ChatResponse whole = end.get(30, TimeUnit.SECONDS);
        assertThat(text).hasToString("it is so");
        assertThat(thoughts).hasToString("let me see");
        assertThat(whole.aiMessage().text()).isEqualTo("it is so");
        assertThat(whole.tokenUsage().outputTokenCount()).isEqualTo(THOUGHT.length());
    }

    @Test
    void errorsAreItsOwnKinds() {
        assertThatThrownBy(() -> model().temperature(-1.0).build().chat("a"))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("temperature");
        assertThatThrownBy(() -> model().modelName("other").build().chat("a")).hasMessageContaining("other");
    }
}
