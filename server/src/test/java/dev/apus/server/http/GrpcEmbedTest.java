package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.proto.v1.EmbedRequest;
import dev.apus.proto.v1.EmbedResponse;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.vllm.TokenizedInput;
import dev.apus.proto.vllm.VllmEngineGrpc;
import io.grpc.Status;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** Vectors over gRPC are those of {@code /v1/embeddings}. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GrpcEmbedTest {
    private final PoolingFixture server = new PoolingFixture("golden/gguf-llama/llama-Q4_1.gguf");
    private final GrpcClient client = new GrpcClient(server.server.port());

    @AfterAll
    void close() {
        client.close();
        server.close();
    }

    private static float[] floats(List<Float> list) {
        float[] values = new float[list.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = list.get(i);
        }
        return values;
    }

    @Test
    void embedsTexts() throws Exception {
        JsonNode http = server.ask("/v1/embeddings", "{\"input\":[\"Hello\",\"world\"],\"dimensions\":7}");
        EmbedResponse response = InferenceGrpc.newBlockingStub(client.channel())
                .embed(EmbedRequest.newBuilder()
                        .addTexts("Hello")
                        .addTexts("world")
                        .setDimensions(7)
                        .build());
        assertThat(response.getEmbeddingsCount()).isEqualTo(2);
        for (int i = 0; i < 2; i++) {
            assertThat(floats(response.getEmbeddings(i).getValuesList()))
                    .isEqualTo(PoolingFixture.floats(http.get("data").get(i).get("embedding")))
                    .hasSize(7);
        }
        assertThat(response.getUsage().getPromptTokens())
                .isEqualTo(http.at("/usage/prompt_tokens").asInt());
    }

    @Test
    void embedsIdsForVllmsRouters() throws Exception {
        JsonNode http = server.ask("/v1/embeddings", "{\"input\":[[1,5,9]]}");
        var response = VllmEngineGrpc.newBlockingStub(client.channel())
                .embed(dev.apus.proto.vllm.EmbedRequest.newBuilder()
                        .setRequestId("a")
                        .setTokenized(TokenizedInput.newBuilder()
                                .addInputIds(1)
                                .addInputIds(5)
                                .addInputIds(9))
                        .build());
        assertThat(floats(response.getEmbeddingList()))
                .isEqualTo(PoolingFixture.floats(http.at("/data/0/embedding")))
                .hasSize(response.getEmbeddingDim());
        assertThat(response.getPromptTokens()).isEqualTo(3);
    }

    @Test
    void refusesWhatIsWrong() {
        InferenceGrpc.InferenceBlockingStub stub = InferenceGrpc.newBlockingStub(client.channel());
        EmbedRequest good = EmbedRequest.newBuilder().addTexts("a").build();
        for (EmbedRequest wrong : List.of(
                EmbedRequest.getDefaultInstance(),
                good.toBuilder().setDimensions(0).build(),
                good.toBuilder().setDimensions(-1).build())) {
            assertThat(GrpcClient.code(() -> stub.embed(wrong))).isEqualTo(Status.Code.INVALID_ARGUMENT);
        }
        assertThat(GrpcClient.code(
                        () -> stub.embed(good.toBuilder().setModel("other").build())))
                .isEqualTo(Status.Code.NOT_FOUND);
        assertThat(stub.embed(good).getEmbeddingsCount()).as("afterwards").isEqualTo(1);
    }
}
