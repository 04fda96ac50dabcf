package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.anthropic.client.AnthropicClient;
import com.anthropic.client.okhttp.AnthropicOkHttpClient;
import com.anthropic.core.http.StreamResponse;
import com.anthropic.errors.BadRequestException;
import com.anthropic.errors.NotFoundException;
import com.anthropic.errors.RateLimitException;
import com.anthropic.helpers.MessageAccumulator;
import com.anthropic.models.messages.Message;
import com.anthropic.models.messages.MessageCountTokensParams;
import com.anthropic.models.messages.MessageCreateParams;
import com.anthropic.models.messages.RawMessageStreamEvent;
import com.anthropic.models.messages.StopReason;
import com.anthropic.models.models.ModelInfo;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Anthropic's Java client, which checks every answer against its own types ({@code responseValidation}). */
@Timeout(60)
class AnthropicJavaClientTest {
    private final ScriptedEngine engine = new ScriptedEngine(new EchoScript());
    private final ApiServer server = new ApiServer(new CharTokenizer(), engine);
    private final AnthropicClient client = AnthropicOkHttpClient.builder()
            .baseUrl(server.url())
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
        MessageCreateParams.Builder conversation = hello().maxTokens(7);
        Message first = client.messages().create(conversation.build());

        assertThat(text(first)).isEqualTo("How are");
        assertThat(first.stopReason()).hasValue(StopReason.MAX_TOKENS);
        assertThat(first.usage().inputTokens()).isEqualTo(12);
        assertThat(first.usage().outputTokens()).isEqualTo(7);

        Message second = client.messages()
                .create(conversation
                        .addMessage(first)
                        .addUserMessage("Grüße, 你好")
                        .system("be brief")
                        .stopSequences(List.of(", "))
                        .maxTokens(9)
                        .build());
        assertThat(text(second)).isEqualTo("Grüße");
        assertThat(second.stopReason()).hasValue(StopReason.STOP_SEQUENCE);
        assertThat(second.stopSequence()).hasValue(", ");
        assertThat(second.id()).isNotEqualTo(first.id());
    }

    @Test
    void streams() {
        MessageAccumulator accumulator = MessageAccumulator.create();
        try (StreamResponse<RawMessageStreamEvent> stream =
                client.messages().createStreaming(hello().maxTokens(20).build())) {
            stream.stream().forEach(event -> accumulator.accumulate(event.validate()));
        }
        Message message = accumulator.message();
        assertThat(text(message)).isEqualTo("How are you?How are ");
        assertThat(message.stopReason()).hasValue(StopReason.MAX_TOKENS);
        assertThat(message.usage().outputTokens()).isEqualTo(20);
    }

    @Test
    void countsTokens() {
        assertThat(client.messages()
                        .countTokens(MessageCountTokensParams.builder()
                                .model("stub")
                                .addUserMessage("How are you?")
                                .build())
                        .inputTokens())
                .isEqualTo(12);
    }

    @Test
    void listsModels() {
        assertThat(client.models().list().data()).extracting(ModelInfo::id).containsExactly("stub");
        assertThat(client.models().retrieve("stub").validate().displayName()).isEqualTo("stub");
    }

    @Test
    void tellsErrors() {
        assertThatThrownBy(() -> client.messages().create(hello().maxTokens(0).build()))
                .isInstanceOfSatisfying(BadRequestException.class, error -> {
                    assertThat(error.type()).hasToString("Optional[invalid_request_error]");
                    assertThat(error.requestId()).isPresent();
                    assertThat(error).hasMessageContaining("max_tokens");
                });
        assertThatThrownBy(() -> client.messages()
                        .create(hello().model("other").maxTokens(7).build()))
                .isInstanceOf(NotFoundException.class);
        engine.full = true;
        assertThatThrownBy(() -> client.messages().create(hello().maxTokens(7).build()))
                .isInstanceOfSatisfying(
                        RateLimitException.class,
                        error -> assertThat(error.headers().values("retry-after"))
                                .containsExactly("3"));
    }

    private static MessageCreateParams.Builder hello() {
        return MessageCreateParams.builder().model("stub").addUserMessage("How are you?");
    }

    private static String text(Message message) {
        return message.content().getFirst().asText().text();
    }
}
