package dev.apus.server.batch;

import dev.apus.server.batch.Batch.Counts;
import dev.apus.server.batch.Batch.Order;
import dev.apus.server.batch.Batch.Owner;
import dev.apus.server.batch.Batch.Problem;
import dev.apus.server.batch.Batch.Results;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Files and batches as they are kept on disk. Thread-safe. */
final class BatchJson {
    private final JsonMapper mapper = new JsonMapper();

    byte[] bytes(StoredFile file) {
        ObjectNode node = mapper.createObjectNode();
        node.put("id", file.id()).put("tenant", file.tenant()).put("filename", file.filename());
        node.put("purpose", file.purpose()).put("bytes", file.bytes()).put("created", file.createdMillis());
        return mapper.writeValueAsBytes(node);
    }

    byte[] bytes(Batch batch) {
        ObjectNode node = mapper.createObjectNode();
        node.put("id", batch.id()).put("created", batch.createdMillis()).put("expires", batch.expiresMillis());
        node.put("status", batch.status().name());
        ObjectNode owner = node.putObject("owner");
        owner.put("tenant", batch.owner().tenant()).put("key", batch.owner().key());
        batch.owner().models().forEach(owner.putArray("models")::add);
        ObjectNode order = node.putObject("order");
        order.put("input", batch.order().inputFileId())
                .put("endpoint", batch.order().endpoint());
        batch.order().metadata().forEach(order.putObject("metadata")::put);
        ObjectNode times = node.putObject("times");
        batch.times().forEach((status, seconds) -> times.put(status.name(), seconds));
        Counts counts = batch.counts();
        node.putArray("counts").add(counts.total()).add(counts.completed()).add(counts.failed());
        for (Problem problem : batch.errors()) {
            ObjectNode error = node.withArray("errors").addObject();
            error.put("code", problem.code()).put("message", problem.message());
            error.put("param", problem.param()).put("line", problem.line());
        }
        Results results = batch.results();
        if (results != null) {
            ObjectNode out =
                    node.putObject("results").put("ending", results.ending().name());
            out.put("output", results.outputFileId()).put("errors", results.errorFileId());
        }
        return mapper.writeValueAsBytes(node);
    }

    /** @throws IOException if it is not what {@link #bytes(StoredFile)} has written */
    StoredFile file(Path path) throws IOException {
        JsonNode node = read(path);
        try {
            return new StoredFile(
                    text(node, "id"),
                    text(node, "tenant"),
                    text(node, "filename"),
                    text(node, "purpose"),
                    node.path("bytes").asLong(),
                    node.path("created").asLong());
        } catch (IllegalArgumentException e) {
            throw broken(path, e);
        }
    }

    /** @throws IOException if it is not what {@link #bytes(Batch)} has written */
    Batch batch(Path path) throws IOException {
        JsonNode node = read(path);
        try {
            JsonNode owner = node.path("owner");
            Set<String> models = new LinkedHashSet<>();
            owner.path("models").forEach(model -> models.add(model.asString()));
            JsonNode order = node.path("order");
            Map<String, String> metadata = new LinkedHashMap<>();
            order.path("metadata").forEachEntry((name, value) -> metadata.put(name, value.asString()));
            Map<BatchStatus, Long> times = new EnumMap<>(BatchStatus.class);
            node.path("times").forEachEntry((name, value) -> times.put(BatchStatus.valueOf(name), value.asLong()));
            JsonNode counts = node.path("counts");
            return new Batch(
                    text(node, "id"),
                    new Owner(text(owner, "tenant"), text(owner, "key"), models),
                    new Order(text(order, "input"), text(order, "endpoint"), metadata),
                    node.path("created").asLong(),
                    node.path("expires").asLong(),
                    BatchStatus.valueOf(text(node, "status")),
                    times,
                    new Counts(
                            counts.path(0).asInt(),
                            counts.path(1).asInt(),
                            counts.path(2).asInt()),
                    problems(node.path("errors")),
                    results(node.path("results")));
        } catch (IllegalArgumentException e) {
            throw broken(path, e);
        }
    }

    private static List<Problem> problems(JsonNode list) {
        List<Problem> problems = new ArrayList<>();
        list.forEach(error -> problems.add(new Problem(
                text(error, "code"),
                text(error, "message"),
                textOrNull(error, "param"),
                error.path("line").asInt())));
        return problems;
    }

    private static @Nullable Results results(JsonNode node) {
        return node.isMissingNode()
                ? null
                : new Results(
                        BatchStatus.valueOf(text(node, "ending")),
                        textOrNull(node, "output"),
                        textOrNull(node, "errors"));
    }

    private JsonNode read(Path path) throws IOException {
        try {
            return mapper.readTree(Files.readAllBytes(path));
        } catch (JacksonException e) {
            throw broken(path, e);
        }
    }

    private static IOException broken(Path path, RuntimeException cause) {
        return new IOException(path + " is not what the server has written there: " + cause.getMessage(), cause);
    }

    private static String text(JsonNode node, String name) {
        String text = textOrNull(node, name);
        if (text == null) {
            throw new IllegalArgumentException("it has no '" + name + "'");
        }
        return text;
    }

    private static @Nullable String textOrNull(JsonNode node, String name) {
        JsonNode value = node.path(name);
        return value.isString() ? value.stringValue() : null;
    }
}
