package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** The document at {@code /openapi.json} tells of every route, and of nothing that it does not define. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class OpenApiTest {
    private final ApiServer server = new ApiServer(new CharTokenizer(), new StubEngine());

    @AfterAll
    void close() {
        server.close();
    }

    @Test
    void tellsOfEveryRoute() throws Exception {
        JsonNode paths = document().get("paths");
        List<String> missing = new ArrayList<>();
        for (Route route : server.routes()) {
            String method = route.method().toLowerCase(Locale.ROOT);
            boolean told = paths.propertyNames().stream()
                    .anyMatch(path -> isPathOf(route, path) && paths.get(path).has(method));
            if (!told) {
                missing.add(route.method() + " " + route.path());
            }
        }
        assertThat(missing)
                .as("routes of which no part of src/main/resources/dev/apus/server/openapi tells")
                .isEmpty();
    }

    /** A route that takes all paths with a beginning is told of by any of them. */
    private static boolean isPathOf(Route route, String path) {
        return path.contains("{")
                ? route.path().endsWith("*") && route.matches(path)
                : route.path().equals(path);
    }

    @Test
    void everyReferenceLeadsSomewhere() throws Exception {
        JsonNode document = document();
        List<String> references = new ArrayList<>();
        collect(document, references);
        assertThat(references).isNotEmpty().allSatisfy(reference -> {
            assertThat(reference).startsWith("#/");
            assertThat(document.at(reference.substring(1)).isMissingNode())
                    .as(reference)
                    .isFalse();
        });
    }

    @Test
    void everyOperationHasANameOfItsOwnAndAnswers() throws Exception {
        List<String> names = new ArrayList<>();
        document()
                .get("paths")
                .forEach(path -> path.forEach(operation -> {
                    names.add(operation.path("operationId").asString());
                    assertThat(operation.path("responses").isEmpty())
                            .as(operation.toString())
                            .isFalse();
                }));
        assertThat(names).doesNotHaveDuplicates().doesNotContain("");
    }

    private static void collect(JsonNode node, List<String> references) {
        JsonNode reference = node.isObject() ? node.get("$ref") : null;
        if (reference != null) {
            references.add(reference.asString());
        }
        node.forEach(inner -> collect(inner, references));
    }

    private JsonNode document() throws Exception {
        return server.get("/openapi.json");
    }
}
