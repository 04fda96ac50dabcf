package dev.apus.models.chat;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Compares with what Python jinja2 rendered; {@code src/test/scripts/make_chat_fixtures.py} wrote the expectations. */
class JinjaFixtureTest {
    private static final JsonMapper JSON = JsonMapper.shared();
    /** The time the fixtures were rendered at. */
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2026-03-05T14:07:09Z"), ZoneOffset.UTC);

    /** @param text the expected text, null where Python raised an exception */
    record Case(
            String name,
            String source,
            JsonNode data,
            @Nullable String text) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Case> snippets() throws IOException {
        JsonNode all = JSON.readTree(resource("snippets.json"));
        return all.get("cases").valueStream().map(c -> {
            String source = c.get("source").asString();
            return new Case(source, source, all.get("data"), text(c));
        });
    }

    static Stream<Case> families() throws IOException {
        return JSON.readTree(resource("families.json"))
                .get("cases")
                .valueStream()
                .map(c -> {
                    try {
                        String source = resource("families/" + c.get("template").asString());
                        return new Case(c.get("name").asString(), source, c.get("data"), text(c));
                    } catch (IOException e) {
                        throw new java.io.UncheckedIOException(e);
                    }
                });
    }

    @ParameterizedTest
    @MethodSource({"snippets", "families"})
    void rendersAsPythonDoes(Case expected) {
        String text;
        try {
            @SuppressWarnings("unchecked")
            java.util.Map<String, Object> data = JSON.treeToValue(expected.data(), java.util.Map.class);
            text = JinjaTemplate.compile(expected.source(), TemplateLimits.DEFAULT, CLOCK)
                    .render(data);
        } catch (ChatTemplateException e) {
            assertThat(expected.text()).as("%s", e.getMessage()).isNull();
            assertThat(e).hasMessageMatching("(?s)chat template, line \\d+: .+");
            return;
        }
        assertThat(text).isEqualTo(expected.text());
    }

    private static @Nullable String text(JsonNode node) {
        JsonNode text = node.get("text");
        return text == null ? null : text.asString();
    }

    private static String resource(String name) throws IOException {
        try (InputStream in = JinjaFixtureTest.class.getResourceAsStream("/chat/" + name)) {
            return new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
