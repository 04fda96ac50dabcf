package dev.apus.models.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.assertj.core.api.SoftAssertions;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A folder of templates with what Python jinja2 renders for them, as {@code src/test/scripts/make_chat_fixtures.py} wrote it:
 * {@code expected/conversations.json} and for each template {@code expected/NAME.json}.
 */
record ChatFixtures(Path folder, JsonNode shared) {
    /** The time the fixtures were rendered at. */
    static final Clock CLOCK = Clock.fixed(Instant.parse("2026-03-05T14:07:09Z"), ZoneOffset.UTC);

    private static final JsonMapper JSON = JsonMapper.shared();
    private static final TypeReference<Map<String, @Nullable Object>> VARIABLES = new TypeReference<>() {};

    /**
     * What Python did.
     *
     * @param text the rendered text, or null
     * @param raised what the template's own raise_exception said, or null
     */
    record Outcome(@Nullable String text, @Nullable String raised) {
        static Outcome of(JsonNode node) {
            return new Outcome(string(node.get("text")), string(node.get("raised")));
        }

        private static @Nullable String string(@Nullable JsonNode node) {
            return node == null ? null : node.asString();
        }
    }

    static ChatFixtures in(Path folder) {
        return new ChatFixtures(folder, read(folder.resolve("expected").resolve("conversations.json")));
    }

    /** The templates' names, sorted. */
    List<String> templates() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString())
                    .filter(f -> f.endsWith(".jinja"))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Renders every case of one template and compares; tells all differences, not only the first. */
    void check(String name) throws IOException {
        String source = Files.readString(folder.resolve(name));
        JsonNode expected = read(folder.resolve("expected").resolve(name + ".json"));
        JinjaTemplate template = JinjaTemplate.compile(source, TemplateLimits.DEFAULT, CLOCK);
        assertThat(expected.get("cases")).isNotEmpty();
        SoftAssertions all = new SoftAssertions();
        for (JsonNode one : expected.get("cases")) {
            String conversation = one.get("conversation").asString();
            String setting = one.get("setting").asString();
            JsonNode number = one.get("text");
            Outcome outcome = number == null
                    ? Outcome.of(one)
                    : new Outcome(expected.get("texts").get(number.asInt()).asString(), null);
            all.check(() -> assertThat(template)
                    .as("%s, conversation '%s', setting '%s'", name, conversation, setting)
                    .satisfies(
                            t -> compare(outcome, () -> render(t, expected.get("variables"), conversation, setting))));
        }
        all.assertAll();
    }

    private String render(JinjaTemplate template, JsonNode tokens, String conversation, String setting) {
        Map<String, @Nullable Object> variables = new HashMap<>(plain(tokens));
        variables.putAll(plain(JSON.createObjectNode()
                .set("messages", shared.get("conversations").get(conversation))));
        variables.putAll(plain(shared.get("settings").get(setting)));
        return setting.equals("continued") ? template.renderContinued(variables) : template.render(variables);
    }

    /** Compares the text, or the template's own error message; of other errors only that there is one, for Python words them. */
    static void compare(Outcome expected, java.util.function.Supplier<String> rendering) {
        if (expected.text() != null) {
            assertThat(rendering.get()).isEqualTo(expected.text());
            return;
        }
        var refusal = assertThatThrownBy(rendering::get).isInstanceOf(ChatTemplateException.class);
        if (expected.raised() != null) {
            refusal.extracting(Throwable::getMessage)
                    .asString()
                    .matches("(?s)chat template, line \\d+: .*")
                    .endsWith(": " + expected.raised());
        }
    }

    static Map<String, @Nullable Object> plain(JsonNode object) {
        return JSON.convertValue(object, VARIABLES);
    }

    static JsonNode read(Path file) {
        try {
            return JSON.readTree(Files.readString(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
