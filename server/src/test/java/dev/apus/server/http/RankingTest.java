package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** Scores of a cross-encoder are sentence-transformers' own, those of an embedding model cosines; labels are transformers' own. */
@Timeout(120)
final class RankingTest {
    private static final Offset<Float> CLOSE = Offset.offset(1e-4f);

    private static String list(List<String> texts) {
        return texts.stream().map(PoolingFixture::quoted).collect(Collectors.joining(",", "[", "]"));
    }

    private static List<String> column(JsonNode pairs, String key) {
        List<String> texts = new ArrayList<>();
        pairs.forEach(pair -> texts.add(pair.get(key).stringValue()));
        return texts;
    }

    @Test
    void aCrossEncoderScoresPairs() throws Exception {
        JsonNode golden = PoolingFixture.golden("bert-rerank");
        JsonNode pairs = golden.get("pairs");
        try (PoolingFixture server = new PoolingFixture("encoders/bert-rerank")) {
            String both = "\"text_1\":" + list(column(pairs, "a")) + ",\"text_2\":" + list(column(pairs, "b"));
            for (String path : List.of("/score", "/v1/score")) {
                JsonNode scores = server.ask(path, "{\"truncate_prompt_tokens\":-1," + both + "}");
                JsonNode logits =
                        server.ask(path, "{\"truncate_prompt_tokens\":-1,\"use_activation\":false," + both + "}");
                for (int i = 0; i < pairs.size(); i++) {
                    JsonNode score = scores.get("data").get(i);
                    assertThat(score.get("object").stringValue()).isEqualTo("score");
                    assertThat(score.get("score").floatValue())
                            .isCloseTo(golden.get("scores").get(i).floatValue(), CLOSE);
                    assertThat(logits.get("data").get(i).get("score").floatValue())
                            .isCloseTo(pairs.get(i).get("logits").get(0).floatValue(), CLOSE);
                }
            }
            refusesPairs(server);
            reranks(server, golden);
        }
    }

    private static void reranks(PoolingFixture server, JsonNode golden) throws Exception {
        JsonNode pairs = golden.get("pairs");
        String query =
                "\"query\":" + PoolingFixture.quoted(pairs.get(0).get("a").stringValue());
        List<String> documents = List.of(
                pairs.get(1).get("b").stringValue(), pairs.get(0).get("b").stringValue(), "x");
        String body = query + ",\"documents\":" + list(documents);
        for (String path : List.of("/rerank", "/v1/rerank", "/v2/rerank")) {
            JsonNode answer = server.ask(path, "{" + body + "}");
            JsonNode results = answer.get("results");
            assertThat(results.size()).isEqualTo(3);
            float last = Float.MAX_VALUE;
            for (JsonNode result : results) {
                assertThat(result.get("relevance_score").floatValue()).isLessThanOrEqualTo(last);
                last = result.get("relevance_score").floatValue();
                int index = result.get("index").intValue();
                assertThat(result.get("document").get("text").stringValue()).isEqualTo(documents.get(index));
                if (index < 2) {
                    assertThat(last)
                            .isCloseTo(golden.get("scores").get(1 - index).floatValue(), CLOSE);
                }
            }
            assertThat(answer.get("usage").get("total_tokens").intValue()).isPositive();
        }
        JsonNode top = server.ask(
                "/v1/rerank",
                "{\"top_n\":1,\"return_documents\":false," + query + ",\"documents\":[{\"text\":\"x\"},\"y\"]}");
        assertThat(top.get("results").size()).isEqualTo(1);
        assertThat(top.get("results").get(0).has("document")).isFalse();
    }

    private static void refusesPairs(PoolingFixture server) throws Exception {
        assertThat(server.refused("/score", "{\"text_1\":[\"a\",\"b\"],\"text_2\":\"c\"}")
                        .get("message")
                        .stringValue())
                .contains("'text_1' must have one, or as many as 'text_2'");
        assertThat(server.refused("/score", "{\"text_1\":\"a\"}").get("param").stringValue())
                .isEqualTo("text_2");
        assertThat(server.refused("/rerank", "{\"query\":\"a\"}").get("param").stringValue())
                .isEqualTo("documents");
        assertThat(server.refused("/rerank", "{\"query\":\"a\",\"documents\":[{\"image\":1}]}")
                        .get("message")
                        .stringValue())
                .contains("an object with a 'text'");
        assertThat(server.refused("/rerank", "{\"query\":\"a\",\"documents\":[]}")
                        .get("message")
                        .stringValue())
                .contains("empty");
        String longText = PoolingFixture.quoted("the ".repeat(60));
        assertThat(server.refused("/score", "{\"text_1\":\"a\",\"text_2\":" + longText + "}")
                        .get("code")
                        .stringValue())
                .isEqualTo("context_length_exceeded");
    }

    @Test
    void anEmbeddingModelScoresByTheCosine() throws Exception {
        JsonNode golden = PoolingFixture.golden("bert-embed");
        float[] left = PoolingFixture.floats(golden.get("embeddings").get(0));
        float[] right = PoolingFixture.floats(golden.get("embeddings").get(1));
        float dot = 0;
        for (int i = 0; i < left.length; i++) {
            dot += left[i] * right[i];
        }
        String first = golden.get("states").get(0).get("text").stringValue();
        String second = golden.get("states").get(1).get("text").stringValue();
        try (PoolingFixture server = new PoolingFixture("encoders/bert-embed")) {
            JsonNode scores = server.ask(
                    "/score",
                    "{\"queries\":" + PoolingFixture.quoted(first) + ",\"documents\":" + list(List.of(second, first))
                            + "}");
            assertThat(scores.get("data").get(0).get("score").floatValue()).isCloseTo(dot, CLOSE);
            assertThat(scores.get("data").get(1).get("score").floatValue()).isCloseTo(1, CLOSE);
            JsonNode ranked = server.ask(
                    "/rerank",
                    "{\"query\":" + PoolingFixture.quoted(first) + ",\"documents\":" + list(List.of(second, first))
                            + "}");
            assertThat(ranked.get("results").get(0).get("index").intValue()).isEqualTo(1);
        }
    }

    @Test
    void aClassifierNamesLabels() throws Exception {
        try (PoolingFixture server = new PoolingFixture("encoders/roberta-classify")) {
            JsonNode answer = server.ask("/classify", "{\"input\":[\"The cat sat on the mat.\",\"A dog barks!\"]}");
            JsonNode logits = server.ask("/pooling", "{\"use_activation\":false,\"input\":\"A dog barks!\"}");
            float[] raw = PoolingFixture.floats(logits.get("data").get(0).get("data"));
            float[] probabilities =
                    PoolingFixture.floats(answer.get("data").get(1).get("probs"));
            double sum = 0;
            for (float value : raw) {
                sum += Math.exp(value);
            }
            for (int i = 0; i < 3; i++) {
                assertThat(probabilities[i]).isCloseTo((float) (Math.exp(raw[i]) / sum), CLOSE);
            }
            int best = PoolingOut.largest(raw);
            assertThat(answer.get("data").get(1).get("label").stringValue())
                    .isEqualTo(List.of("negative", "neutral", "positive").get(best));
            assertThat(answer.get("data").get(1).get("num_classes").intValue()).isEqualTo(3);
            assertThat(server.refused("/score", "{\"text_1\":\"a\",\"text_2\":\"b\"}")
                            .get("message")
                            .stringValue())
                    .contains("has 3 labels");
        }
    }
}
