package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.models.embeddings.CreateEmbeddingResponse;
import com.openai.models.embeddings.EmbeddingCreateParams;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** Embeddings of a tiny BERT over HTTP are sentence-transformers' own, in every form that a client may ask for. */
@Timeout(120)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class EmbeddingsTest {
    private static final Offset<Float> CLOSE = Offset.offset(1e-4f);

    private final PoolingFixture server = new PoolingFixture("encoders/bert-embed");

    @AfterAll
    void close() {
        server.close();
    }

    private static List<String> texts() throws Exception {
        List<String> texts = new ArrayList<>();
        PoolingFixture.golden("bert-embed")
                .get("states")
                .forEach(state -> texts.add(state.get("text").stringValue()));
        return texts;
    }

    /** All texts as JSON. The last one is longer than the model takes and has to be cut. */
    private static String list(List<String> texts) {
        return texts.stream().map(PoolingFixture::quoted).collect(Collectors.joining(",", "[", "]"));
    }

    private static void check(JsonNode answer, JsonNode golden) {
        assertThat(answer.get("data").size()).isEqualTo(golden.size());
        for (int i = 0; i < golden.size(); i++) {
            JsonNode item = answer.get("data").get(i);
            assertThat(item.get("index").intValue()).isEqualTo(i);
            assertThat(item.get("object").stringValue()).isEqualTo("embedding");
            assertThat(PoolingFixture.floats(item.get("embedding")))
                    .containsExactly(PoolingFixture.floats(golden.get(i)), CLOSE);
        }
    }

    @Test
    void areThoseOfSentenceTransformers() throws Exception {
        JsonNode golden = PoolingFixture.golden("bert-embed");
        JsonNode answer = server.ask(
                "/v1/embeddings",
                "{\"model\":\"bert-embed\",\"truncate_prompt_tokens\":-1,\"input\":" + list(texts()) + "}");
        check(answer, golden.get("embeddings"));
        int tokens = 0;
        for (JsonNode state : golden.get("states")) {
            tokens += state.get("ids").size();
        }
        assertThat(answer.get("usage").get("prompt_tokens").intValue()).isEqualTo(tokens);
        assertThat(answer.get("usage").get("total_tokens").intValue()).isEqualTo(tokens);
        assertThat(answer.get("object").stringValue()).isEqualTo("list");
        assertThat(answer.get("model").stringValue()).isEqualTo("bert-embed");
        check(
                server.ask(
                        "/v1/embeddings",
                        "{\"prompt_name\":\"query\",\"truncate_prompt_tokens\":16,\"input\":" + list(texts()) + "}"),
                golden.get("queries"));
    }

    @Test
    void takesIdsAsTheyAre() throws Exception {
        JsonNode golden = PoolingFixture.golden("bert-embed");
        String all = IntStream.range(0, golden.get("states").size())
                .mapToObj(i -> golden.get("states").get(i).get("ids").toString())
                .collect(Collectors.joining(",", "[", "]"));
        check(server.ask("/v1/embeddings", "{\"input\":" + all + "}"), golden.get("embeddings"));
        JsonNode one = server.ask(
                "/v1/embeddings", "{\"input\":" + golden.get("states").get(0).get("ids") + "}");
        assertThat(PoolingFixture.floats(one.get("data").get(0).get("embedding")))
                .containsExactly(PoolingFixture.floats(golden.get("embeddings").get(0)), CLOSE);
    }

    @Test
    void cutsDimensionsAndNormalisesAnew() throws Exception {
        float[] whole = PoolingFixture.floats(
                PoolingFixture.golden("bert-embed").get("pooled").get("mean").get(0));
        double squares = 0;
        for (int i = 0; i < 8; i++) {
            squares += whole[i] * whole[i];
        }
        JsonNode cut = server.ask(
                "/v1/embeddings", "{\"dimensions\":8,\"input\":" + PoolingFixture.quoted(texts().get(0)) + "}");
        JsonNode raw = server.ask(
                "/v1/embeddings",
                "{\"normalize\":false,\"dimensions\":8,\"input\":" + PoolingFixture.quoted(texts().get(0)) + "}");
        assertThat(cut.get("data").get(0).get("embedding").size()).isEqualTo(8);
        for (int i = 0; i < 8; i++) {
            assertThat(raw.get("data").get(0).get("embedding").get(i).floatValue())
                    .isCloseTo(whole[i], CLOSE);
            assertThat(cut.get("data").get(0).get("embedding").get(i).floatValue())
                    .isCloseTo((float) (whole[i] / Math.sqrt(squares)), CLOSE);
        }
    }

    @Test
    void base64HoldsTheSameFloats() throws Exception {
        String input = "\"input\":" + PoolingFixture.quoted(texts().get(0)) + "}";
        JsonNode plain = server.ask("/v1/embeddings", "{" + input);
        JsonNode packed = server.ask("/v1/embeddings", "{\"encoding_format\":\"base64\"," + input);
        byte[] bytes = Base64.getDecoder()
                .decode(packed.get("data").get(0).get("embedding").stringValue());
        float[] values = new float[bytes.length / 4];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        assertThat(values)
                .containsExactly(PoolingFixture.floats(plain.get("data").get(0).get("embedding")));
    }

    @Test
    void openAisClientReadsThem() throws Exception {
        OpenAIClient client = OpenAIOkHttpClient.builder()
                .baseUrl(server.url() + "/v1")
                .apiKey("none")
                .maxRetries(0)
                .responseValidation(true)
                .build();
        try {
            CreateEmbeddingResponse answer = client.embeddings()
                    .create(EmbeddingCreateParams.builder()
                            .model("bert-embed")
                            .inputOfArrayOfStrings(texts().subList(0, 2))
                            .build());
            JsonNode golden = PoolingFixture.golden("bert-embed").get("embeddings");
            for (int i = 0; i < 2; i++) {
                List<Float> values = answer.data().get(i).embedding();
                float[] vector = new float[values.size()];
                for (int v = 0; v < vector.length; v++) {
                    vector[v] = values.get(v);
                }
                assertThat(vector).containsExactly(PoolingFixture.floats(golden.get(i)), CLOSE);
            }
            assertThat(answer.usage().promptTokens()).isPositive();
        } finally {
            client.close();
        }
    }

    @Test
    void poolingGivesTheStatesOfTokens() throws Exception {
        JsonNode state = PoolingFixture.golden("bert-embed").get("states").get(1);
        String input = "\"input\":" + PoolingFixture.quoted(state.get("text").stringValue()) + "}";
        JsonNode tokens = server.ask("/pooling", "{\"task\":\"token_embed\",\"normalize\":false," + input);
        JsonNode rows = tokens.get("data").get(0).get("data");
        assertThat(rows.size()).isEqualTo(state.get("hidden").size());
        for (int t = 0; t < rows.size(); t++) {
            assertThat(PoolingFixture.floats(rows.get(t)))
                    .containsExactly(PoolingFixture.floats(state.get("hidden").get(t)), CLOSE);
        }
        JsonNode embedded = server.ask("/pooling", "{" + input);
        assertThat(PoolingFixture.floats(embedded.get("data").get(0).get("data")))
                .containsExactly(
                        PoolingFixture.floats(PoolingFixture.golden("bert-embed")
                                .get("embeddings")
                                .get(1)),
                        CLOSE);
        assertThat(server.refused("/pooling", "{\"task\":\"classify\"," + input)
                        .get("message")
                        .stringValue())
                .contains("no classifier");
    }

    @Test
    void specialTokensAreThereUnlessLeftOut() throws Exception {
        JsonNode with = server.ask("/v1/embeddings", "{\"input\":\"x\"}");
        JsonNode without = server.ask("/v1/embeddings", "{\"add_special_tokens\":false,\"input\":\"x\"}");
        assertThat(with.get("usage").get("prompt_tokens").intValue()).isEqualTo(3);
        assertThat(without.get("usage").get("prompt_tokens").intValue()).isEqualTo(1);
        // A special token's text in the input is text.
        JsonNode told = server.ask("/v1/embeddings", "{\"input\":\"x[SEP]\"}");
        assertThat(told.get("usage").get("prompt_tokens").intValue()).isGreaterThan(4);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{}|input|is missing",
                "{\"input\":[]}|input|is an empty list",
                "{\"input\":7}|input|must be a string",
                "{\"input\":[[]]}|input[0]|at least one token",
                "{\"input\":[\"a\",7]}|input[1]|must be a string or a list",
                "{\"input\":[-1]}|input[0]|must be 0 to",
                "{\"input\":[100000]}|input[0]|must be 0 to",
                "{\"input\":[1,\"a\"]}|input[1]|must be an integer",
                "{\"input\":\"a\",\"dimensions\":0}|dimensions|1 to 32",
                "{\"input\":\"a\",\"dimensions\":33}|dimensions|1 to 32",
                "{\"input\":\"a\",\"encoding_format\":\"hex\"}|encoding_format|float or base64",
                "{\"input\":\"a\",\"truncate_prompt_tokens\":0}|truncate_prompt_tokens|-1 (what fits)",
                "{\"input\":\"a\",\"truncate_prompt_tokens\":17}|truncate_prompt_tokens|-1 to 16",
                "{\"input\":\"a\",\"prompt_name\":\"no\"}|prompt_name|must be one of [document, query]",
                "{\"input\":\"the the the the the the the the the the the the the the the\"}|input|17 tokens, at most 16"
            })
    void refusesByName(String body, String param, String message) throws Exception {
        JsonNode error = server.refused("/v1/embeddings", body);
        assertThat(error.get("param").stringValue()).isEqualTo(param);
        assertThat(error.get("message").stringValue()).contains(message);
        assertThat(error.get("type").stringValue()).isEqualTo("invalid_request_error");
    }

    @Test
    void refusesHostileSizes() throws Exception {
        String many = "[" + "\"x\",".repeat(2048) + "\"x\"]";
        assertThat(server.refused("/v1/embeddings", "{\"input\":" + many + "}")
                        .get("message")
                        .stringValue())
                .contains("2049 entries, at most 2048");
        String huge = "the ".repeat(500_000);
        assertThat(server.refused("/v1/embeddings", "{\"input\":\"" + huge + "\"}")
                        .get("code")
                        .stringValue())
                .isEqualTo("context_length_exceeded");
        String nothing = " ".repeat(100);
        assertThat(server.ask("/v1/embeddings", "{\"input\":\"" + nothing + "\"}")
                        .get("usage")
                        .get("prompt_tokens")
                        .intValue())
                .isEqualTo(2);
        JsonNode all = server.ask("/v1/embeddings", "{\"input\":[" + "\"x\",".repeat(2047) + "\"the\"]}");
        assertThat(all.get("data").size()).isEqualTo(2048);
    }

    @Test
    void refusesTextAndLabels() throws Exception {
        assertThat(server.refused("/v1/completions", "{\"prompt\":\"x\",\"max_tokens\":1}")
                        .get("message")
                        .stringValue())
                .contains("generates no text");
        assertThat(server.refused("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}")
                        .get("message")
                        .stringValue())
                .contains("template");
        assertThat(server.refused("/classify", "{\"input\":\"x\"}")
                        .get("message")
                        .stringValue())
                .contains("has no classifier");
    }

    @Test
    void areCounted() throws Exception {
        server.ask("/v1/embeddings", "{\"input\":\"x\"}");
        String metrics = server.get("/metrics");
        assertThat(metrics)
                .contains("apus:pooling_sequences_total{")
                .contains("apus:pooling_tokens_total{")
                .contains("apus:pooling_batches_total{")
                .contains("apus:pooling_waiting{");
        assertThat(server.get("/health")).contains("ok");
    }
}
