package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.helpers.ResponseAccumulator;
import com.openai.models.responses.Response;
import com.openai.models.responses.ResponseCreateParams;
import com.openai.models.responses.ResponseRetrieveParams;
import com.openai.models.responses.ResponseStatus;
import com.openai.models.responses.ResponseStreamEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The official Java client's side of the Responses API; it checks every answer against its own types. */
@Timeout(60)
class ResponsesJavaClientTest {
    private final ManualEngine engine = new ManualEngine();
    private final ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()));
    private final ApiServer manual = new ApiServer(new CharTokenizer(), engine);
    private final OpenAIClient client = client(server);
    private final OpenAIClient slow = client(manual);

    private static OpenAIClient client(ApiServer server) {
        return OpenAIOkHttpClient.builder()
                .baseUrl(server.url() + "/v1")
                .apiKey("none")
                .maxRetries(0)
                .timeout(Duration.ofSeconds(20))
                .responseValidation(true)
                .build();
    }

    @AfterEach
    void close() {
        client.close();
        slow.close();
        server.close();
        manual.close();
    }

    @Test
    void holdsAConversation() {
        Response first = client.responses()
                .create(ask("How are you?")
                        .maxOutputTokens(7)
                        .instructions("be brief")
                        .build())
                .validate();
        assertThat(text(first)).isEqualTo("How are");
        assertThat(first.status()).hasValue(ResponseStatus.INCOMPLETE);
        assertThat(first.usage().orElseThrow().inputTokens()).isEqualTo(12);

        Response second = client.responses()
                .create(ask("Grüße, 你好")
                        .maxOutputTokens(9)
                        .previousResponseId(first.id())
                        .build())
                .validate();
        assertThat(text(second)).isEqualTo("Grüße, 你好");
        assertThat(second.previousResponseId()).hasValue(first.id());

        Response again = client.responses().retrieve(first.id()).validate();
        assertThat(text(again)).isEqualTo("How are");
        assertThat(client.responses()
                        .inputItems()
                        .list(second.id())
                        .data()
                        .getFirst()
                        .asResponseInputMessageItem()
                        .validate()
                        .content()
                        .getFirst()
                        .asInputText()
                        .text())
                .isEqualTo("Grüße, 你好");
        client.responses().delete(first.id());
        assertThatThrownBy(() -> client.responses().retrieve(first.id())).isInstanceOf(NotFoundException.class);
    }

    @Test
    void streams() {
        ResponseAccumulator accumulator = ResponseAccumulator.create();
        StringBuilder deltas = new StringBuilder();
        try (StreamResponse<ResponseStreamEvent> stream = client.responses()
                .createStreaming(ask("Tell me, ").maxOutputTokens(12).build())) {
            stream.stream().forEach(event -> {
                event.validate().outputTextDelta().ifPresent(delta -> deltas.append(delta.delta()));
                accumulator.accumulate(event);
            });
        }
        assertThat(deltas).hasToString("Tell me, Tel");
        assertThat(text(accumulator.response())).isEqualTo("Tell me, Tel");
    }

    @Test
    void cancelsWhatRunsInTheBackground() throws Exception {
        Response queued =
                slow.responses().create(ask("a").background(true).build()).validate();
        assertThat(queued.status()).hasValue(ResponseStatus.QUEUED);
        ManualEngine.Work work = engine.next();

        Response cancelled = slow.responses().cancel(queued.id()).validate();
        assertThat(cancelled.status()).hasValue(ResponseStatus.CANCELLED);
        assertThat(engine.aborted()).containsExactly(work.request.id());
    }

    @Test
    void readsAStreamAgain() throws Exception {
        List<ResponseStreamEvent> seen = new ArrayList<>();
        String id;
        try (StreamResponse<ResponseStreamEvent> stream =
                slow.responses().createStreaming(ask("a").background(true).build())) {
            ManualEngine.Work work = engine.next();
            work.emit("ok");
            engine.finish(work);
            stream.stream().forEach(event -> seen.add(event.validate()));
            id = seen.getFirst().asCreated().response().id();
        }
        try (StreamResponse<ResponseStreamEvent> stream = slow.responses()
                .retrieveStreaming(ResponseRetrieveParams.builder()
                        .responseId(id)
                        .startingAfter(1)
                        .build())) {
            assertThat(stream.stream().toList()).isEqualTo(seen.subList(2, seen.size()));
        }
    }

    @Test
    void tellsErrors() {
        assertThatThrownBy(() -> client.responses()
                        .create(ask("a").previousResponseId("resp_none").build()))
                .isInstanceOfSatisfying(
                        BadRequestException.class,
                        error -> assertThat(error.code()).hasValue("previous_response_not_found"));
    }

    private static ResponseCreateParams.Builder ask(String input) {
        return ResponseCreateParams.builder().model("stub").input(input);
    }

    private static String text(Response response) {
        return response.output()
                .getFirst()
                .asMessage()
                .content()
                .getFirst()
                .asOutputText()
                .text();
    }
}
