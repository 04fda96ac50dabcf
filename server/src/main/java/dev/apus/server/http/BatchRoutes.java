package dev.apus.server.http;

import dev.apus.server.auth.Principal;
import dev.apus.server.batch.Batch;
import dev.apus.server.batch.Batch.Order;
import dev.apus.server.batch.Batch.Owner;
import dev.apus.server.batch.Batch.Problem;
import dev.apus.server.batch.Batch.Results;
import dev.apus.server.batch.BatchException;
import dev.apus.server.batch.BatchStatus;
import dev.apus.server.http.Route.Kind;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** OpenAI's batches: {@code /v1/batches} and what is below it. Thread-safe. */
final class BatchRoutes {
    private static final String PATH = "/v1/batches";
    private static final String CANCEL = "/cancel";
    private static final String WINDOW = "24h";
    private static final List<String> ENDPOINTS =
            List.of("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses");
    private static final int LISTED = 20;
    private static final int MOST_LISTED = 100;
    /** OpenAI's limits of metadata. */
    private static final int MOST_NOTES = 16;

    private static final int MOST_NOTE_NAME = 64;
    private static final int MOST_NOTE = 512;
    private static final long MILLIS = 1000;

    private final JsonBody json;
    private final BatchService service;

    BatchRoutes(JsonBody json, BatchService service) {
        this.json = json;
        this.service = service;
    }

    List<Route> routes() {
        return List.of(
                new Route("POST", PATH, Kind.ORDINARY, this::create),
                new Route("GET", PATH, Kind.ORDINARY, this::list),
                new Route("GET", PATH + "/*", Kind.ORDINARY, this::read),
                new Route("POST", PATH + "/*", Kind.ORDINARY, this::cancel));
    }

    private void create(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        String input = fields.requiredString("input_file_id");
        String endpoint = fields.requiredString("endpoint");
        if (!ENDPOINTS.contains(endpoint)) {
            throw ApiException.invalid("endpoint", "'endpoint' must be one of " + String.join(", ", ENDPOINTS));
        }
        if (!fields.requiredString("completion_window").equals(WINDOW)) {
            throw ApiException.invalid("completion_window", "'completion_window' must be " + WINDOW);
        }
        if (fields.has("output_expires_after")) {
            fields.idle("output_expires_after");
        }
        Order order = new Order(input, endpoint, metadata(fields));
        GenerationRoutes.warn(exchange, fields);
        Principal principal = exchange.principal();
        Owner owner = new Owner(principal.tenant(), principal.key(), principal.models());
        answer(exchange, () -> service.get().create(owner, order));
    }

    private static Map<String, String> metadata(Fields fields) {
        Map<String, String> notes = new LinkedHashMap<>();
        ObjectNode node = fields.objectNode("metadata");
        if (node != null) {
            Fields.checkSize("metadata", node.size(), MOST_NOTES);
            node.forEachEntry((name, value) -> notes.put(name, note(name, value)));
        }
        return notes;
    }

    private static String note(String name, JsonNode value) {
        if (!value.isString() || value.stringValue().length() > MOST_NOTE || name.length() > MOST_NOTE_NAME) {
            throw ApiException.invalid(
                    "metadata",
                    "'metadata' must have names of up to " + MOST_NOTE_NAME + " characters and strings of up to "
                            + MOST_NOTE);
        }
        return value.stringValue();
    }

    private void list(Exchange exchange) {
        List<Batch> batches = service.get().list(exchange.principal().tenant());
        exchange.respondJson(
                200, new Pages(exchange).page(batches, LISTED, MOST_LISTED, true, Batch::id, BatchRoutes::json));
    }

    private void read(Exchange exchange) {
        String id = exchange.path().substring(PATH.length() + 1);
        answer(exchange, () -> service.get().get(exchange.principal().tenant(), id));
    }

    private void cancel(Exchange exchange) {
        String rest = exchange.path().substring(PATH.length() + 1);
        if (!rest.endsWith(CANCEL)) {
            throw new ApiException(
                    404, "there is nothing to POST to but " + PATH + "/{id}/cancel", null, "not_found", 0);
        }
        String id = rest.substring(0, rest.length() - CANCEL.length());
        answer(exchange, () -> service.get().cancel(exchange.principal().tenant(), id));
    }

    private static void answer(Exchange exchange, Supplier<Batch> batch) {
        Batch found;
        try {
            found = batch.get();
        } catch (BatchException e) {
            throw BatchService.toApi(e);
        }
        exchange.respondJson(200, json(found));
    }

    private static byte[] json(Batch batch) {
        Order order = batch.order();
        JsonOut out = new JsonOut().raw("{\"id\":").string(batch.id());
        out.raw(",\"object\":\"batch\",\"endpoint\":").string(order.endpoint());
        errors(out.raw(",\"errors\":"), batch.errors());
        out.raw(",\"input_file_id\":").string(order.inputFileId());
        out.raw(",\"completion_window\":\"" + WINDOW + "\",\"status\":")
                .string(batch.status().word());
        Results results = batch.results();
        boolean end = batch.status().isEnd();
        out.raw(",\"output_file_id\":").stringOrNull(results == null || !end ? null : results.outputFileId());
        out.raw(",\"error_file_id\":").stringOrNull(results == null || !end ? null : results.errorFileId());
        out.raw(",\"created_at\":").number(batch.createdMillis() / MILLIS);
        out.raw(",\"expires_at\":").number(batch.expiresMillis() / MILLIS);
        for (BatchStatus status : BatchStatus.values()) {
            Long time = batch.time(status);
            if (status != BatchStatus.VALIDATING) {
                out.raw(",\"" + status.word() + "_at\":").raw(time == null ? "null" : Long.toString(time));
            }
        }
        out.raw(",\"request_counts\":{\"total\":").number(batch.counts().total());
        out.raw(",\"completed\":").number(batch.counts().completed());
        out.raw(",\"failed\":").number(batch.counts().failed()).raw("},\"metadata\":");
        metadata(out, order.metadata());
        return out.raw("}").toBytes();
    }

    private static void errors(JsonOut out, List<Problem> problems) {
        if (problems.isEmpty()) {
            out.raw("null");
            return;
        }
        out.raw("{\"object\":\"list\",\"data\":[");
        for (int i = 0; i < problems.size(); i++) {
            Problem problem = problems.get(i);
            out.raw(i > 0 ? "," : "").raw("{\"code\":").string(problem.code());
            out.raw(",\"message\":")
                    .string(problem.message())
                    .raw(",\"param\":")
                    .stringOrNull(problem.param());
            out.raw(",\"line\":").raw(problem.line() == 0 ? "null" : Integer.toString(problem.line()));
            out.raw("}");
        }
        out.raw("]}");
    }

    private static void metadata(JsonOut out, Map<String, String> notes) {
        if (notes.isEmpty()) {
            out.raw("null");
            return;
        }
        String before = "{";
        for (Map.Entry<String, String> note : notes.entrySet()) {
            out.raw(before).string(note.getKey()).raw(":").string(note.getValue());
            before = ",";
        }
        out.raw("}");
    }
}
