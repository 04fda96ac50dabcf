package dev.apus.server.http;

import dev.apus.models.EncoderConfig;
import dev.apus.models.Pooling;
import dev.apus.models.tokenizer.SequenceTemplate;
import dev.apus.scheduler.ServedModel;
import dev.apus.scheduler.pooling.PoolingInfo;
import dev.apus.scheduler.pooling.PoolingTask;
import dev.apus.server.http.Route.Kind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** {@code /v1/embeddings}, {@code /classify} and {@code /pooling}: from a request's JSON to vectors and labels. Thread-safe. */
final class PoolingRoutes {
    /** Characters of a float and its comma. */
    private static final int PER_VALUE = 14;

    private final ServedModel model;
    private final JsonBody json;
    private final PoolingInputs inputs;
    private final PoolingCall call;

    PoolingRoutes(ServedModel model, JsonBody json, PoolingInputs inputs, PoolingCall call) {
        this.model = model;
        this.json = json;
        this.inputs = inputs;
        this.call = call;
    }

    List<Route> routes() {
        return List.of(
                new Route("POST", "/v1/embeddings", Kind.GENERATION, this::embeddings),
                new Route("POST", "/classify", Kind.GENERATION, this::classify),
                new Route("POST", "/pooling", Kind.GENERATION, this::pooling));
    }

    private void embeddings(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        boolean base64 = base64(fields);
        CallSession.Vectors vectors = embed(exchange, fields);
        JsonOut out = PoolingOut.begin("embd-", model.name()).raw("\"data\":[");
        for (int i = 0; i < vectors.rows().size(); i++) {
            out.raw(i == 0 ? "" : ",")
                    .raw("{\"object\":\"embedding\",\"index\":")
                    .number(i);
            PoolingOut.vector(out.raw(",\"embedding\":"), vectors.rows().get(i), base64)
                    .raw("}");
        }
        PoolingOut.end(out.raw("],"), vectors.tokens());
        exchange.respondJson(200, out.toBytes());
    }

    /**
     * Vectors of texts; waits for them.
     *
     * @param fields OpenAI's parameters, however they came
     * @throws ApiException if they are wrong, or the server takes no more
     */
    CallSession.Vectors embed(Exchange exchange, Fields fields) {
        InfoRoutes.checkModel(model, fields.string("model"));
        PoolingInfo info = call.info();
        int dimensions = fields.integer("dimensions", info.width(), 1, info.width());
        boolean normalise = normalise(fields, info);
        fields.string("user"); // for OpenAI's records alone
        List<SequenceTemplate.Sequence> sequences = inputs.read(exchange, fields, info);
        GenerationRoutes.warn(exchange, fields);
        exchange.memory().take((long) sequences.size() * dimensions * PER_VALUE);
        List<float[]> vectors = new ArrayList<>(sequences.size());
        for (float[][] rows : call.run(exchange, sequences, PoolingTask.EMBED)) {
            float[] vector = Arrays.copyOf(rows[0], dimensions);
            if (normalise) {
                Pooling.normalise(vector);
            }
            vectors.add(vector);
        }
        return new CallSession.Vectors(vectors, PoolingCall.tokens(sequences));
    }

    private void classify(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        InfoRoutes.checkModel(model, fields.string("model"));
        PoolingInfo info = call.info();
        EncoderConfig.Head head = call.head();
        boolean activated = activated(fields);
        List<SequenceTemplate.Sequence> sequences = inputs.read(exchange, fields, info);
        GenerationRoutes.warn(exchange, fields);
        exchange.memory().take((long) sequences.size() * head.labels().size() * PER_VALUE);
        List<float[][]> rows = call.run(exchange, sequences, PoolingTask.CLASSIFY);
        JsonOut out = PoolingOut.begin("classify-", model.name()).raw("\"data\":[");
        for (int i = 0; i < rows.size(); i++) {
            float[] scores =
                    PoolingOut.scores(rows.get(i)[0], activated ? head.scoring() : EncoderConfig.Scoring.IDENTITY);
            out.raw(i == 0 ? "" : ",").raw("{\"index\":").number(i).raw(",\"label\":");
            out.string(head.labels().get(PoolingOut.largest(scores))).raw(",\"probs\":");
            PoolingOut.vector(out, scores, false)
                    .raw(",\"num_classes\":")
                    .number(scores.length)
                    .raw("}");
        }
        PoolingOut.end(out.raw("],"), PoolingCall.tokens(sequences));
        exchange.respondJson(200, out.toBytes());
    }

    private void pooling(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        InfoRoutes.checkModel(model, fields.string("model"));
        PoolingInfo info = call.info();
        PoolingTask task = task(fields, info);
        boolean base64 = base64(fields);
        boolean normalise = task != PoolingTask.CLASSIFY && normalise(fields, info);
        boolean activated = activated(fields);
        int dimensions = task == PoolingTask.CLASSIFY ? 0 : fields.integer("dimensions", info.width(), 1, info.width());
        List<SequenceTemplate.Sequence> sequences = inputs.read(exchange, fields, info);
        GenerationRoutes.warn(exchange, fields);
        long vectors = task == PoolingTask.TOKEN_EMBED ? PoolingCall.tokens(sequences) : sequences.size();
        int width = task == PoolingTask.CLASSIFY ? call.head().labels().size() : info.width();
        exchange.memory().take(vectors * width * (PER_VALUE + (task == PoolingTask.TOKEN_EMBED ? 4 : 0)));
        List<float[][]> rows = call.run(exchange, sequences, task);
        JsonOut out = PoolingOut.begin("pool-", model.name()).raw("\"data\":[");
        for (int i = 0; i < rows.size(); i++) {
            out.raw(i == 0 ? "" : ",").raw("{\"index\":").number(i).raw(",\"object\":\"pooling\",\"data\":");
            float[][] vectorsOfOne = rows.get(i);
            for (int v = 0; v < vectorsOfOne.length; v++) {
                vectorsOfOne[v] = task == PoolingTask.CLASSIFY
                        ? PoolingOut.scores(
                                vectorsOfOne[v], activated ? call.head().scoring() : EncoderConfig.Scoring.IDENTITY)
                        : Arrays.copyOf(vectorsOfOne[v], dimensions);
                if (normalise) {
                    Pooling.normalise(vectorsOfOne[v]);
                }
            }
            PoolingOut.vectors(out, vectorsOfOne, task == PoolingTask.TOKEN_EMBED, base64)
                    .raw("}");
        }
        PoolingOut.end(out.raw("],"), PoolingCall.tokens(sequences));
        exchange.respondJson(200, out.toBytes());
    }

    private static PoolingTask task(Fields fields, PoolingInfo info) {
        String name = fields.string("task");
        return switch (name == null ? (info.head() == null ? "embed" : "classify") : name) {
            case "embed" -> PoolingTask.EMBED;
            case "token_embed" -> PoolingTask.TOKEN_EMBED;
            case "classify" -> {
                if (info.head() == null) {
                    throw ApiException.invalid(
                            "task",
                            "'task' is classify, but the model has no classifier; must be embed or token_embed");
                }
                yield PoolingTask.CLASSIFY;
            }
            default ->
                throw ApiException.invalid(
                        "task",
                        "'task' is " + Fields.describe(fields.required("task"))
                                + ", must be embed, token_embed or classify");
        };
    }

    private static boolean base64(Fields fields) {
        String format = fields.string("encoding_format");
        if (format == null || format.equals("float")) {
            return false;
        }
        if (format.equals("base64")) {
            return true;
        }
        throw ApiException.invalid(
                "encoding_format",
                "'encoding_format' is " + Fields.describe(fields.required("encoding_format"))
                        + ", must be float or base64");
    }

    /** vLLM's newer name, then its older ones. */
    private static boolean normalise(Fields fields, PoolingInfo info) {
        boolean byDefault = fields.bool("normalize", info.settings().normalise());
        return fields.bool("use_activation", byDefault);
    }

    static boolean activated(Fields fields) {
        return fields.bool("use_activation", fields.bool("activation", true));
    }
}
