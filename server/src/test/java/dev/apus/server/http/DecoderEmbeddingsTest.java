package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** One server generates and embeds at once; each answer is the one that it is alone. */
@Timeout(120)
final class DecoderEmbeddingsTest {
    private static final String PROMPT =
            "{\"prompt\":[1,5,9,13],\"max_tokens\":40,\"temperature\":0,\"ignore_eos\":true}";

    private static String input(int i) {
        return "{\"input\":[[" + (i + 1) + ",7,9],[" + (i + 3) + "," + "4,".repeat(i * 3) + "5]]}";
    }

    @Test
    void generatesAndEmbedsAtOnce() throws Exception {
        try (PoolingFixture server = new PoolingFixture("golden/gguf-llama/llama-Q4_1.gguf");
                ExecutorService clients = Executors.newFixedThreadPool(12)) {
            String text = text(server.post("/v1/completions", PROMPT));
            List<String> vectors = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                vectors.add(server.ask("/v1/embeddings", input(i)).get("data").toString());
            }
            List<Future<String>> texts = new ArrayList<>();
            List<Future<String>> embedded = new ArrayList<>();
            for (int i = 0; i < 24; i++) {
                int index = i % 8;
                if (i % 4 == 0) {
                    texts.add(clients.submit(() -> text(server.post("/v1/completions", PROMPT))));
                }
                embedded.add(clients.submit(() ->
                        server.ask("/v1/embeddings", input(index)).get("data").toString()));
            }
            for (Future<String> answer : texts) {
                assertThat(answer.get(60, TimeUnit.SECONDS)).isEqualTo(text);
            }
            for (int i = 0; i < embedded.size(); i++) {
                assertThat(embedded.get(i).get(60, TimeUnit.SECONDS)).isEqualTo(vectors.get(i % 8));
            }
        }
    }

    @Test
    void normalisesItsLastState() throws Exception {
        try (PoolingFixture server = new PoolingFixture("golden/gguf-llama/llama-Q4_1.gguf")) {
            JsonNode answer = server.ask("/v1/embeddings", "{\"input\":\"Hello world\"}");
            float[] vector = PoolingFixture.floats(answer.get("data").get(0).get("embedding"));
            double squares = 0;
            for (float value : vector) {
                squares += value * value;
            }
            assertThat(squares).isCloseTo(1, org.assertj.core.data.Offset.offset(1e-4));
            assertThat(server.refused("/classify", "{\"input\":\"x\"}")
                            .get("message")
                            .stringValue())
                    .contains("has no classifier");
            assertThat(server.refused("/v1/embeddings", "{\"input\":[" + "1,".repeat(64) + "1]}")
                            .get("code")
                            .stringValue())
                    .isEqualTo("context_length_exceeded");
        }
    }

    @Test
    void aModelThatOnlyGeneratesSaysSo() throws Exception {
        try (ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()))) {
            for (String path : List.of("/v1/embeddings", "/rerank", "/score", "/classify", "/pooling")) {
                HttpResponse<String> answer = server.post(path, "{\"input\":\"x\"}");
                assertThat(answer.statusCode()).isEqualTo(400);
                assertThat(answer.body()).contains("is served for text generation alone");
            }
        }
    }

    private static String text(HttpResponse<String> answer) {
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return PoolingFixture.tree(answer.body())
                .get("choices")
                .get(0)
                .get("text")
                .stringValue();
    }
}
