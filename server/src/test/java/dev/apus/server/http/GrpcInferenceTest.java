package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.apus.proto.v1.ChatRequest;
import dev.apus.proto.v1.Choice;
import dev.apus.proto.v1.DetokenizeRequest;
import dev.apus.proto.v1.EmbedRequest;
import dev.apus.proto.v1.GenerateRequest;
import dev.apus.proto.v1.GenerationResponse;
import dev.apus.proto.v1.GetLoadsRequest;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.ListModelsRequest;
import dev.apus.proto.v1.Message;
import dev.apus.proto.v1.Sampling;
import dev.apus.proto.v1.TokenIds;
import dev.apus.proto.v1.TokenizeRequest;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** {@code apus.v1.Inference} on the server's one port: what it answers and refuses. */
@Timeout(60)
class GrpcInferenceTest {
    private final ScriptedEngine engine = new ScriptedEngine(new EchoScript());
    private final ApiServer server = new ApiServer(new CharTokenizer(), engine);
    private final GrpcClient client = new GrpcClient(server.port());
    private final InferenceGrpc.InferenceBlockingStub stub = InferenceGrpc.newBlockingStub(client.channel());

    @AfterEach
    void close() {
        client.close();
        server.close();
    }

    static ChatRequest chat(String text, Sampling.Builder sampling) {
        return ChatRequest.newBuilder()
                .addMessages(Message.newBuilder().setRole("user").setContent(text))
                .setSampling(sampling)
                .build();
    }

    static GenerateRequest text(String text, Sampling.Builder sampling) {
        return GenerateRequest.newBuilder().setText(text).setSampling(sampling).build();
    }

    static Sampling.Builder tokens(int most) {
        return Sampling.newBuilder().setMaxTokens(most);
    }

    private static List<GenerationResponse> all(Iterator<GenerationResponse> stream) {
        List<GenerationResponse> messages = new ArrayList<>();
        stream.forEachRemaining(messages::add);
        return messages;
    }

    @Test
    void aChatIsAnswered() {
        GenerationResponse answer = stub.chat(chat("hello", tokens(7)));

        assertThat(answer.getId()).startsWith("chatcmpl-");
        assertThat(answer.getModel()).isEqualTo("stub");
        assertThat(answer.getCreated()).isPositive();
        assertThat(answer.getChoicesCount()).isOne();
        assertThat(answer.getChoices(0).getText()).isEqualTo("hellohe");
        assertThat(answer.getChoices(0).getFinishReason()).isEqualTo("length");
        assertThat(answer.getUsage().getPromptTokens()).isEqualTo(5);
        assertThat(answer.getUsage().getCompletionTokens()).isEqualTo(7);
    }

    @Test
    void aStreamJoinsToTheWholeAnswer() {
        List<GenerationResponse> stream =
                all(stub.chatStream(chat("hello wörld", tokens(40).setN(2))));
        GenerationResponse whole = stub.chat(chat("hello wörld", tokens(40).setN(2)));

        for (Choice choice : whole.getChoicesList()) {
            StringBuilder joined = new StringBuilder();
            List<String> ends = new ArrayList<>();
            stream.forEach(message -> message.getChoicesList().stream()
                    .filter(part -> part.getIndex() == choice.getIndex())
                    .forEach(part -> {
                        joined.append(part.getText());
                        if (part.hasFinishReason()) {
                            ends.add(part.getFinishReason());
                        }
                    }));
            assertThat(joined).hasToString(choice.getText());
            assertThat(ends).containsExactly("length");
        }
        assertThat(stream.getLast().getUsage()).isEqualTo(whole.getUsage());
        assertThat(stream.stream().map(GenerationResponse::getId).distinct()).hasSize(1);
        assertThat(stream.subList(0, stream.size() - 1)).noneMatch(GenerationResponse::hasUsage);
    }

    @Test
    void aTextOrItsTokensAreContinued() {
        GenerateRequest ids = GenerateRequest.newBuilder()
                .setTokenIds(TokenIds.newBuilder().addIds('a').addIds('b'))
                .setSampling(tokens(3).setReturnTokenIds(true))
                .setEcho(true)
                .build();

        assertThat(stub.generate(text("ab", tokens(3))).getChoices(0).getText()).isEqualTo("aba");
        Choice choice = stub.generate(ids).getChoices(0);
        assertThat(choice.getText()).isEqualTo("ababa");
        assertThat(choice.getTokenIdsList()).containsExactly((int) 'a', (int) 'b', (int) 'a');
        assertThat(choice.getPromptTokenIdsList()).containsExactly((int) 'a', (int) 'b');
    }

    @Test
    void aStopStringEndsTheTextAndIsNamed() {
        Choice choice = stub.generate(text("abcd", tokens(20).addStop("da"))).getChoices(0);

        assertThat(choice.getText()).isEqualTo("abc");
        assertThat(choice.getFinishReason()).isEqualTo("stop");
        assertThat(choice.getStop()).isEqualTo("da");
    }

    @Test
    void logprobsAreTold() {
        Choice choice = stub.chat(chat("ab", tokens(2).setLogprobs(2).setPromptLogprobs(1)))
                .getChoices(0);

        assertThat(choice.getLogprobsCount()).isEqualTo(2);
        assertThat(choice.getLogprobs(0).getLogprob()).isEqualTo(ScriptedEngine.Answer.LOGPROB);
        assertThat(choice.getLogprobs(0).getToken().toStringUtf8()).isEqualTo("a");
        assertThat(choice.getLogprobs(0).getTopCount()).isEqualTo(2);
        assertThat(choice.getPromptLogprobsCount()).isOne();
        assertThat(choice.getPromptLogprobs(0).getId()).isEqualTo('b');
    }

    @Test
    void whatIsWrongIsNamedAsOverHttp() throws Exception {
        StatusRuntimeException error =
                GrpcClient.error(() -> stub.chat(chat("hello", tokens(7).setTemperature(-1))));

        assertThat(error.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(error.getStatus().getDescription()).contains("'temperature' is -1.0");
        assertThat(GrpcClient.detail(error, ErrorInfo.class).getReason()).isEqualTo("INVALID_VALUE");
        assertThat(GrpcClient.detail(error, ErrorInfo.class).getDomain()).isEqualTo("apus");
        assertThat(GrpcClient.detail(error, BadRequest.class)
                        .getFieldViolations(0)
                        .getField())
                .isEqualTo("temperature");
    }

    @Test
    void wrongRequestsAreRefused() {
        Sampling.Builder some = tokens(2);
        assertThat(GrpcClient.code(() -> stub.chat(ChatRequest.getDefaultInstance())))
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(GrpcClient.code(() -> stub.generate(GenerateRequest.getDefaultInstance())))
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(GrpcClient.code(() -> stub.generate(text("a", tokens(2).setTopP(Float.NaN)))))
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(GrpcClient.code(() -> stub.generate(text("a", tokens(-1)))))
                .as("an unsigned 4294967295")
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(GrpcClient.code(() -> stub.generate(text("x".repeat(5000), some))))
                .as("longer than the context")
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(GrpcClient.code(() -> stub.generate(GenerateRequest.newBuilder()
                        .setTokenIds(TokenIds.newBuilder().addIds(-1))
                        .build())))
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(GrpcClient.code(() -> stub.chat(
                        chat("a", some).toBuilder().setModel("another").build())))
                .isEqualTo(Status.Code.NOT_FOUND);
        assertThat(GrpcClient.error(() -> stub.embed(EmbedRequest.getDefaultInstance())))
                .as("a model that makes no vectors")
                .hasMessageContaining("text generation alone")
                .extracting(error -> error.getStatus().getCode())
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
    }

    @Test
    void aFullQueueSaysWhenToComeAgain() throws Exception {
        engine.full = true;
        StatusRuntimeException error = GrpcClient.error(() -> stub.chat(chat("hello", tokens(7))));

        assertThat(error.getStatus().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
        assertThat(GrpcClient.detail(error, RetryInfo.class).getRetryDelay().getSeconds())
                .isEqualTo(3);
        assertThat(GrpcClient.detail(error, ErrorInfo.class).getReason()).isEqualTo("QUEUE_FULL");
    }

    @Test
    void anEnginesFailureEndsAStreamWithItsStatus() {
        Iterator<GenerationResponse> stream = stub.generateStream(text("BREAK", tokens(9)));
        assertThat(stream.next().getChoices(0).getText()).startsWith("B");
        stub.generate(text("GO", tokens(1)));
        StatusRuntimeException error = GrpcClient.error(() -> all(stream));

        assertThat(error.getStatus().getCode()).isEqualTo(Status.Code.INTERNAL);
        assertThat(error.getStatus().getDescription()).isEqualTo("the device is lost");
    }

    @Test
    void textsBecomeTokensAndBack() {
        var tokens = stub.tokenize(TokenizeRequest.newBuilder()
                .setText("hé")
                .setReturnTokenStrs(true)
                .build());
        assertThat(tokens.getTokenIdsList()).containsExactly((int) 'h', (int) 'é');
        assertThat(tokens.getTokenStrsList()).containsExactly("h", "é");
        assertThat(tokens.getMaxModelLen()).isEqualTo(ApiServer.CONTEXT);
        assertThat(stub.tokenize(TokenizeRequest.newBuilder()
                                .setChat(chat("abc", tokens(1)))
                                .build())
                        .getTokenIdsCount())
                .isEqualTo(3);
        assertThat(stub.detokenize(DetokenizeRequest.newBuilder()
                                .addTokenIds('h')
                                .addTokenIds('é')
                                .build())
                        .getText())
                .isEqualTo("hé");
        assertThat(GrpcClient.code(() -> stub.detokenize(
                        DetokenizeRequest.newBuilder().addTokenIds(70_000).build())))
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
    }

    @Test
    void modelsAndLoadsAreTold() {
        var model = stub.listModels(ListModelsRequest.getDefaultInstance()).getModels(0);
        assertThat(model.getName()).isEqualTo("stub");
        assertThat(model.getMaxModelLen()).isEqualTo(ApiServer.CONTEXT);
        assertThat(model.getChat()).isTrue();
        var loads = stub.getLoads(GetLoadsRequest.getDefaultInstance());
        assertThat(loads.getTotalBlocks()).isEqualTo(100);
        assertThat(loads.getKvCacheUsage()).isEqualTo(0.5);
        assertThat(loads.getDraining()).isFalse();
    }
}
