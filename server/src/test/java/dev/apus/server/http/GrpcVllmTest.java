package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.proto.smg.GetTokenizerRequest;
import dev.apus.proto.smg.SubscribeKvEventsRequest;
import dev.apus.proto.vllm.AbortRequest;
import dev.apus.proto.vllm.GenerateComplete;
import dev.apus.proto.vllm.GenerateRequest;
import dev.apus.proto.vllm.GenerateResponse;
import dev.apus.proto.vllm.GenerateStreamChunk;
import dev.apus.proto.vllm.GetLoadsRequest;
import dev.apus.proto.vllm.GetModelInfoRequest;
import dev.apus.proto.vllm.GetServerInfoRequest;
import dev.apus.proto.vllm.HealthCheckRequest;
import dev.apus.proto.vllm.KvTransferParams;
import dev.apus.proto.vllm.MultimodalInputs;
import dev.apus.proto.vllm.SamplingParams;
import dev.apus.proto.vllm.TokenizedInput;
import dev.apus.proto.vllm.VllmEngineGrpc;
import dev.apus.server.http.GrpcClient.Collector;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** {@code vllm.grpc.engine.VllmEngine}, as routers use it. */
@Timeout(60)
class GrpcVllmTest {
    private final ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()));
    private final GrpcClient client = new GrpcClient(server.port());
    private final VllmEngineGrpc.VllmEngineBlockingStub stub = VllmEngineGrpc.newBlockingStub(client.channel());

    @AfterEach
    void close() {
        client.close();
        server.close();
    }

    static GenerateRequest request(String prompt, boolean stream, SamplingParams.Builder sampling) {
        TokenizedInput.Builder input = TokenizedInput.newBuilder().setOriginalText(prompt);
        prompt.chars().forEach(input::addInputIds);
        return GenerateRequest.newBuilder()
                .setRequestId("r-" + prompt)
                .setTokenized(input)
                .setStream(stream)
                .setSamplingParams(sampling)
                .build();
    }

    static SamplingParams.Builder tokens(int most) {
        return SamplingParams.newBuilder().setMaxTokens(most);
    }

    private List<GenerateResponse> generate(GenerateRequest request) {
        List<GenerateResponse> messages = new ArrayList<>();
        stub.generate(request).forEachRemaining(messages::add);
        return messages;
    }

    private static List<Integer> ids(String text) {
        return text.chars().boxed().toList();
    }

    @Test
    void aRequestThatDoesNotStreamIsAnsweredByOneMessageAChoice() {
        List<GenerateResponse> messages =
                generate(request("abc", false, tokens(4).setN(2)));

        assertThat(messages).hasSize(2);
        for (int i = 0; i < 2; i++) {
            GenerateComplete complete = messages.get(i).getComplete();
            assertThat(complete.getIndex()).isEqualTo(i);
            assertThat(complete.getOutputIdsList()).isEqualTo(ids("abca"));
            assertThat(complete.getFinishReason()).isEqualTo("length");
            assertThat(complete.getPromptTokens()).isEqualTo(3);
            assertThat(complete.getCompletionTokens()).isEqualTo(4);
        }
    }

    @Test
    void aStreamHasChunksAndAnEndWithAllTokens() {
        List<GenerateResponse> messages =
                generate(request("abc", true, tokens(40).setLogprobs(1)));
        List<Integer> joined = new ArrayList<>();
        int told = 0;
        for (GenerateResponse message : messages.subList(0, messages.size() - 1)) {
            GenerateStreamChunk chunk = message.getChunk();
            joined.addAll(chunk.getTokenIdsList());
            told += chunk.getOutputLogprobs().getTokenLogprobsCount();
            assertThat(chunk.getCompletionTokens()).isEqualTo(joined.size());
        }

        assertThat(joined).hasSize(40).startsWith((int) 'a', (int) 'b', (int) 'c', (int) 'a');
        assertThat(told).isEqualTo(40);
        GenerateComplete complete = messages.getLast().getComplete();
        assertThat(complete.getOutputIdsList()).isEqualTo(joined);
        assertThat(complete.getFinishReason()).isEqualTo("length");
    }

    @Test
    void whatEndedATextIsTold() {
        GenerateComplete byString = generate(request("abcd", false, tokens(20).addStop("da")))
                .getFirst()
                .getComplete();

        assertThat(byString.getFinishReason()).isEqualTo("stop");
        assertThat(byString.getMatchedStopStr()).isEqualTo("da");
        assertThat(byString.getOutputIdsList()).isEqualTo(ids("abcda"));
    }

    @Test
    void thePromptsLogprobsAreTold() {
        GenerateComplete complete = generate(request("ab", false, tokens(1).setPromptLogprobs(2)))
                .getFirst()
                .getComplete();

        assertThat(complete.getInputLogprobs().getTokenIdsList()).isEqualTo(ids("ab"));
        assertThat(complete.getInputLogprobs().getTokenLogprobs(0).hasValue()).isFalse();
        assertThat(complete.getInputLogprobs().getTokenLogprobs(1).getValue()).isEqualTo(ScriptedEngine.Answer.LOGPROB);
        assertThat(complete.getInputLogprobs().getTopLogprobs(1).getTokenIdsCount())
                .isEqualTo(2);
    }

    /** Without max_tokens an answer is as long as the context leaves room; a text is encoded. */
    @Test
    void aTextIsTakenAndTheContextFilled() {
        GenerateRequest text = GenerateRequest.newBuilder().setText("abc").build();
        GenerateComplete complete = generate(text).getFirst().getComplete();

        assertThat(complete.getCompletionTokens()).isEqualTo(ApiServer.CONTEXT - 3);
    }

    @Test
    void whatIsNotServedIsRefusedByName() {
        GenerateRequest good = request("abc", false, tokens(4));
        refused(
                good.toBuilder()
                        .setMmInputs(MultimodalInputs.getDefaultInstance())
                        .build(),
                "mm_inputs");
        refused(
                good.toBuilder()
                        .setKvTransferParams(KvTransferParams.getDefaultInstance())
                        .build(),
                "kv_transfer");
        refused(good.toBuilder().setDataParallelRank(3).build(), "data_parallel_rank");
        refused(good.toBuilder().clearInput().build(), "tokenized");
        refused(request("abc", false, tokens(4).setTopP(2)), "top_p");
        refused(request("abc", false, tokens(4).setLogprobs(-1)), "logprobs");
        for (Status.Code code : List.of(
                GrpcClient.code(() -> stub.getTokenizer(GetTokenizerRequest.getDefaultInstance())
                        .next()),
                GrpcClient.code(() -> stub.subscribeKvEvents(SubscribeKvEventsRequest.getDefaultInstance())
                        .next()))) {
            assertThat(code).isEqualTo(Status.Code.UNIMPLEMENTED);
        }
    }

    private void refused(GenerateRequest request, String name) {
        StatusRuntimeException error = GrpcClient.error(() -> generate(request));
        assertThat(error.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(error.getStatus().getDescription()).contains(name);
    }

    @Test
    void serverModelAndLoadsAreTold() {
        var model = stub.getModelInfo(GetModelInfoRequest.getDefaultInstance());
        assertThat(model.getServedModelName()).isEqualTo("stub");
        assertThat(model.getMaxContextLength()).isEqualTo(ApiServer.CONTEXT);
        assertThat(model.getEosTokenIdsList()).containsExactly(0);
        assertThat(stub.getServerInfo(GetServerInfoRequest.getDefaultInstance()).getServerType())
                .isEqualTo("vllm-grpc");
        assertThat(stub.healthCheck(HealthCheckRequest.getDefaultInstance()).getHealthy())
                .isTrue();
        var load = stub.getLoads(GetLoadsRequest.getDefaultInstance()).getLoads(0);
        assertThat(load.getMaxTotalNumTokens()).isEqualTo(1600);
        assertThat(load.getNumUsedTokens()).isEqualTo(800);
        assertThat(load.getTokenUsage()).isEqualTo(0.5);
        assertThat(load.getCacheHitRate()).isEqualTo(0.5);
    }

    @Test
    void anEncoderDoesNotGenerate() {
        try (PoolingFixture encoder = new PoolingFixture("encoders/bert-embed");
                GrpcClient asks = new GrpcClient(encoder.server.port())) {
            assertThat(VllmEngineGrpc.newBlockingStub(asks.channel())
                            .getModelInfo(GetModelInfoRequest.getDefaultInstance())
                            .getIsGeneration())
                    .isFalse();
        }
        assertThat(stub.getModelInfo(GetModelInfoRequest.getDefaultInstance()).getIsGeneration())
                .isTrue();
    }

    @Test
    void aRequestIsAbortedByItsId() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture()) {
            var engine = VllmEngineGrpc.newBlockingStub(fixture.client.channel());
            Collector<GenerateRequest, GenerateResponse> collector = new Collector<>(-1);
            VllmEngineGrpc.newStub(fixture.client.channel()).generate(request("abc", true, tokens(9)), collector);
            ManualEngine.Work work = fixture.engine.next();
            Iterator<GenerateResponse> twin = engine.generate(request("abc", true, tokens(9)));
            assertThat(GrpcClient.code(twin::next)).as("the same id again").isEqualTo(Status.Code.ABORTED);
            engine.abort(AbortRequest.newBuilder()
                    .addRequestIds("unknown")
                    .addRequestIds("r-abc")
                    .build());

            assertThat(collector.end()).isEqualTo(Status.Code.OK);
            assertThat(fixture.engine.aborted()).containsExactly(work.request.id());
            assertThat(collector.messages.getLast().getComplete().getFinishReason())
                    .isEqualTo("abort");
            VllmEngineGrpc.newStub(fixture.client.channel())
                    .generate(request("abc", true, tokens(9)), new Collector<>(-1));
            assertThat(fixture.engine.next().request.prompt())
                    .as("the id is free again")
                    .hasSize(3);
        }
    }
}
