package dev.apus.server.http;

import com.networknt.schema.Error;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Holds answers against an OpenAPI document: every answer that it has a schema for must be as the schema says. Thread-safe. */
final class Contract {
    private static final Contract SERVERS_OWN = new Contract(new JsonMapper().readTree(OpenApi.document("test")));

    private final JsonMapper json = new JsonMapper();
    private final JsonNode document;
    private final SchemaRegistry registry = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12);
    private final Map<JsonNode, Schema> schemas = new ConcurrentHashMap<>();

    Contract(JsonNode document) {
        this.document = document;
    }

    /** That of {@code /openapi.json}. */
    static Contract ofTheServer() {
        return SERVERS_OWN;
    }

    /**
     * Checks an answer, of a stream each event.
     *
     * @return whether there was a schema to check it by
     * @throws AssertionError if it is not as the document says
     */
    boolean check(String method, String path, int status, String contentType, String body) {
        JsonNode content = content(method, path, status);
        String media = contentType.split(";", 2)[0].strip();
        JsonNode schema = content == null ? null : content.path(media).get("schema");
        if (schema == null || body.isEmpty()) {
            return false;
        }
        if (!media.equals("text/event-stream")) {
            check(schema, media.equals("application/json") ? json.readTree(body) : json.valueToTree(body));
            return true;
        }
        for (String line : body.split("\n", -1)) {
            if (line.startsWith("data: ") && !line.equals("data: [DONE]")) {
                JsonNode event = json.readTree(line.substring("data: ".length()));
                check(event.has("error") && !event.has("type") ? component("Error") : schema, event);
            }
        }
        return true;
    }

    /** Checks JSON against a schema of the document's components. */
    void checkComponent(String name, JsonNode value) {
        check(component(name), value);
    }

    private JsonNode component(String name) {
        return json.createObjectNode().put("$ref", "#/components/schemas/" + name);
    }

    private void check(JsonNode schema, JsonNode value) {
        List<Error> errors = schemas.computeIfAbsent(schema, this::compile).validate(value);
        if (!errors.isEmpty()) {
            throw new AssertionError("not as the document says: " + errors + " in " + value);
        }
    }

    private Schema compile(JsonNode schema) {
        // References begin at the root: the components come with the schema, under the name that JSON Schema has for
        // them.
        ObjectNode whole = ((ObjectNode) schema).deepCopy();
        whole.set("$defs", document.at("/components/schemas"));
        return registry.getSchema(whole.toString().replace("#/components/schemas/", "#/$defs/"));
    }

    private @Nullable JsonNode content(String method, String path, int status) {
        JsonNode paths = document.get("paths");
        for (Map.Entry<String, JsonNode> entry : paths.properties()) {
            String pattern = entry.getKey().replaceAll("\\{[^}]*}", "[^/]+");
            JsonNode operation = entry.getValue().get(method.toLowerCase(Locale.ROOT));
            if (operation != null && path.split("\\?", 2)[0].matches(pattern)) {
                JsonNode responses = operation.get("responses");
                JsonNode response = responses.get(String.valueOf(status));
                JsonNode told = response == null ? responses.get("default") : response;
                return told == null ? null : told.get("content");
            }
        }
        return null;
    }
}
