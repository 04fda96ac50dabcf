package dev.apus.server.http;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * The document at {@code /openapi.json} (OpenAPI 3.1): the parts named in the resource {@code openapi/index}, each with its {@code paths}
 * and {@code components}, put together. A part is owned by whoever owns its routes.
 */
final class OpenApi {
    private static final String FOLDER = "/dev/apus/server/openapi/";

    private OpenApi() {}

    /** @throws IllegalStateException if a part is missing, or two parts tell of the same thing */
    static byte[] document(String version) {
        JsonMapper mapper = new JsonMapper();
        ObjectNode document = mapper.createObjectNode().put("openapi", "3.1.0");
        document.putObject("info").put("title", "Apus").put("version", version);
        for (String part : parts()) {
            if (!(mapper.readTree(read(part)) instanceof ObjectNode object)) {
                throw new IllegalStateException("openapi part " + part + " is not a JSON object");
            }
            merge(part, document, object, 3);
        }
        return mapper.writeValueAsBytes(document);
    }

    private static List<String> parts() {
        String index = new String(read("index"), StandardCharsets.UTF_8);
        return index.lines().map(String::strip).filter(line -> !line.isEmpty()).toList();
    }

    private static byte[] read(String name) {
        try (InputStream in = OpenApi.class.getResourceAsStream(FOLDER + name)) {
            if (in == null) {
                throw new IllegalStateException("there is no resource " + FOLDER + name);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Parts meet in the sections, the paths and the kinds of components: the document's first {@code levels} levels. */
    private static void merge(String part, ObjectNode into, ObjectNode from, int levels) {
        from.forEachEntry((name, value) -> {
            JsonNode there = into.get(name);
            if (there == null) {
                into.set(name, value);
            } else if (levels > 1 && there instanceof ObjectNode known && value instanceof ObjectNode more) {
                merge(part, known, more, levels - 1);
            } else {
                throw new IllegalStateException(
                        "openapi part " + part + " tells of '" + name + "' which another part tells of, too");
            }
        });
    }
}
