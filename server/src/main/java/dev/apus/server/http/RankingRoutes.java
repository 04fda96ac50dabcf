package dev.apus.server.http;

import dev.apus.models.EncoderConfig;
import dev.apus.models.tokenizer.SequenceTemplate;
import dev.apus.scheduler.ServedModel;
import dev.apus.scheduler.pooling.PoolingInfo;
import dev.apus.scheduler.pooling.PoolingTask;
import dev.apus.server.http.Route.Kind;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * {@code /rerank} (Jina's and Cohere's form) and {@code /score} (vLLM's): how well texts fit each other. A cross-encoder reads both at once;
 * of an embedding model it is the cosine of their vectors. Thread-safe.
 */
final class RankingRoutes {
    private static final int PER_RESULT = 100;

    private final ServedModel model;
    private final JsonBody json;
    private final PoolingInputs inputs;
    private final PoolingCall call;

    RankingRoutes(ServedModel model, JsonBody json, PoolingInputs inputs, PoolingCall call) {
        this.model = model;
        this.json = json;
        this.inputs = inputs;
        this.call = call;
    }

    List<Route> routes() {
        return List.of(
                new Route("POST", "/rerank", Kind.GENERATION, this::rerank),
                new Route("POST", "/v1/rerank", Kind.GENERATION, this::rerank),
                new Route("POST", "/v2/rerank", Kind.GENERATION, this::rerank),
                new Route("POST", "/score", Kind.GENERATION, this::score),
                new Route("POST", "/v1/score", Kind.GENERATION, this::score));
    }

    /** What comes of a request: a score per pair. */
    private record Scored(float[] scores, long tokens) {}

    private void rerank(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        InfoRoutes.checkModel(model, fields.string("model"));
        PoolingInfo info = checkedInfo();
        List<String> query = PoolingInputs.texts(fields, "query", null);
        if (query.size() != 1) {
            throw ApiException.invalid("query", "'query' has " + query.size() + " entries, must be one text");
        }
        List<String> documents = PoolingInputs.texts(fields, "documents", null);
        int top = fields.integer("top_n", 0, 0, Integer.MAX_VALUE);
        boolean withText = fields.bool("return_documents", true);
        int most = inputs.most(fields, info);
        boolean activated = PoolingRoutes.activated(fields);
        GenerationRoutes.warn(exchange, fields);
        Scored scored = scored(exchange, query, documents, most, activated, new String[] {"query", "documents"});
        List<Integer> order = IntStream.range(0, documents.size())
                .boxed()
                .sorted(Comparator.comparingDouble((Integer i) -> scored.scores[i])
                        .reversed())
                .limit(top == 0 ? documents.size() : top)
                .toList();
        JsonOut out = new JsonOut().raw("{\"id\":").string("rerank-" + Generator.unique());
        out.raw(",\"model\":")
                .string(model.name())
                .raw(",\"usage\":{\"prompt_tokens\":")
                .number(scored.tokens);
        out.raw(",\"total_tokens\":").number(scored.tokens).raw("},\"results\":[");
        for (int i = 0; i < order.size(); i++) {
            int index = order.get(i);
            out.raw(i == 0 ? "" : ",").raw("{\"index\":").number(index);
            if (withText) {
                out.raw(",\"document\":{\"text\":").string(documents.get(index)).raw("}");
            }
            PoolingOut.number(out.raw(",\"relevance_score\":"), scored.scores[index])
                    .raw("}");
        }
        exchange.respondJson(200, out.raw("]}").toBytes());
    }

    private void score(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        InfoRoutes.checkModel(model, fields.string("model"));
        PoolingInfo info = checkedInfo();
        List<String> first = PoolingInputs.texts(fields, "text_1", "queries");
        List<String> second = PoolingInputs.texts(fields, "text_2", "documents");
        if (first.size() != 1 && first.size() != second.size()) {
            throw ApiException.invalid(
                    "text_1",
                    "'text_1' has " + first.size() + " texts and 'text_2' " + second.size()
                            + "; 'text_1' must have one, or as many as 'text_2'");
        }
        int most = inputs.most(fields, info);
        boolean activated = PoolingRoutes.activated(fields);
        GenerationRoutes.warn(exchange, fields);
        Scored scored = scored(exchange, first, second, most, activated, new String[] {"text_1", "text_2"});
        JsonOut out = PoolingOut.begin("score-", model.name()).raw("\"data\":[");
        for (int i = 0; i < second.size(); i++) {
            out.raw(i == 0 ? "" : ",").raw("{\"index\":").number(i).raw(",\"object\":\"score\",\"score\":");
            PoolingOut.number(out, scored.scores[i]).raw("}");
        }
        PoolingOut.end(out.raw("],"), scored.tokens);
        exchange.respondJson(200, out.toBytes());
    }

    /** @throws ApiException if the model is a classifier of several labels, which says nothing of two texts' fit */
    private PoolingInfo checkedInfo() {
        PoolingInfo info = call.info();
        EncoderConfig.Head head = info.head();
        if (head != null && !info.scoresPairs()) {
            throw new ApiException(
                    400,
                    "the model '" + model.name() + "' has " + head.labels().size()
                            + " labels; a score needs an embedding model or a classifier of one label (a cross-encoder)",
                    "model",
                    "unsupported_model",
                    0);
        }
        return info;
    }

    private Scored scored(
            Exchange exchange, List<String> first, List<String> second, int most, boolean activated, String[] names) {
        exchange.memory().take((long) second.size() * PER_RESULT);
        PoolingInfo info = call.info();
        return info.scoresPairs()
                ? crossScored(exchange, first, second, most, activated, names, info)
                : cosineScored(exchange, first, second, most, names, info);
    }

    private Scored crossScored(
            Exchange exchange,
            List<String> first,
            List<String> second,
            int most,
            boolean activated,
            String[] names,
            PoolingInfo info) {
        List<SequenceTemplate.Sequence> pairs = new ArrayList<>(second.size());
        int[] left = new int[0];
        for (int i = 0; i < second.size(); i++) {
            if (i < first.size()) {
                left = inputs.half(exchange, names[0], first.get(i), most);
            }
            String path = names[1] + (second.size() == 1 ? "" : "[" + i + "]");
            int[] right = inputs.half(exchange, path, second.get(i), most);
            pairs.add(inputs.pair(exchange, path, left, right, most, info));
        }
        List<float[][]> rows = call.run(exchange, pairs, PoolingTask.CLASSIFY);
        EncoderConfig.Scoring scoring = activated ? call.head().scoring() : EncoderConfig.Scoring.IDENTITY;
        float[] scores = new float[rows.size()];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = PoolingOut.scores(rows.get(i)[0], scoring)[0];
        }
        return new Scored(scores, PoolingCall.tokens(pairs));
    }

    private Scored cosineScored(
            Exchange exchange, List<String> first, List<String> second, int most, String[] names, PoolingInfo info) {
        List<SequenceTemplate.Sequence> all = new ArrayList<>(first.size() + second.size());
        for (String text : first) {
            all.add(inputs.single(exchange, names[0], text, most, info));
        }
        for (String text : second) {
            all.add(inputs.single(exchange, names[1], text, most, info));
        }
        List<float[][]> rows = call.run(exchange, all, PoolingTask.EMBED);
        float[] scores = new float[second.size()];
        for (int i = 0; i < scores.length; i++) {
            float[] left = rows.get(first.size() == 1 ? 0 : i)[0];
            scores[i] = PoolingOut.cosine(left, rows.get(first.size() + i)[0]);
        }
        return new Scored(scores, PoolingCall.tokens(all));
    }
}
