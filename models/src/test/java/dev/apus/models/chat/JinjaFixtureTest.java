package dev.apus.models.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/** Compares with what Python jinja2 rendered; {@code src/test/scripts/make_chat_fixtures.py} wrote the expectations. */
class JinjaFixtureTest {
    /** A folder of templates of one's own that {@code make_chat_fixtures.py --check} has rendered. */
    private static final String OWN_TEMPLATES = "apus.chat.templates";

    record Snippet(String source, Map<String, @Nullable Object> data, ChatFixtures.Outcome outcome) {
        @Override
        public String toString() {
            return source;
        }
    }

    static Stream<Snippet> snippets() {
        JsonNode all = ChatFixtures.read(resource("snippets.json"));
        Map<String, @Nullable Object> data = ChatFixtures.plain(all.get("data"));
        return all.get("cases")
                .valueStream()
                .map(c -> new Snippet(c.get("source").asString(), data, ChatFixtures.Outcome.of(c)));
    }

    @ParameterizedTest
    @MethodSource("snippets")
    void rendersSnippetsAsPythonDoes(Snippet snippet) {
        ChatFixtures.compare(
                snippet.outcome(),
                () -> JinjaTemplate.compile(snippet.source(), TemplateLimits.DEFAULT, ChatFixtures.CLOCK)
                        .render(snippet.data()));
    }

    @TestFactory
    Stream<DynamicTest> rendersFamiliesAsPythonDoes() {
        return tests(resource("families"));
    }

    @Test
    void hasTheFamilies() {
        assertThat(ChatFixtures.in(resource("families")).templates()).hasSizeGreaterThanOrEqualTo(14);
    }

    @TestFactory
    Stream<DynamicTest> rendersOwnTemplatesAsPythonDoes() {
        String folder = System.getProperty(OWN_TEMPLATES);
        assumeTrue(folder != null, "set -D" + OWN_TEMPLATES + "=FOLDER to compare templates of your own");
        return tests(Path.of(Objects.requireNonNull(folder)));
    }

    private static Stream<DynamicTest> tests(Path folder) {
        ChatFixtures fixtures = ChatFixtures.in(folder);
        return fixtures.templates().stream().map(name -> DynamicTest.dynamicTest(name, () -> fixtures.check(name)));
    }

    private static Path resource(String name) {
        try {
            return Path.of(Objects.requireNonNull(JinjaFixtureTest.class.getResource("/chat/" + name), name)
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
