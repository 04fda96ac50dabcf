package dev.apus.models.tokenizer;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import tools.jackson.databind.JsonNode;

/** A small tokenizer and what its reference implementation makes of a list of texts; see src/test/scripts/tokenizer_fixtures.py. */
record Fixture(String name, Path folder, JsonNode cases) {
    static Fixture of(String name) {
        try {
            URL url = Objects.requireNonNull(Fixture.class.getResource("/tokenizers/" + name), name);
            Path folder = Path.of(url.toURI());
            return new Fixture(
                    name, folder, TokenizerJson.mapper().readTree(Files.readString(folder.resolve("cases.json"))));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    Tokenizer open() {
        return Tokenizers.open(folder);
    }

    byte[] bytes(String file) {
        try {
            return Files.readAllBytes(folder.resolve(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    List<String> texts() {
        List<String> texts = new ArrayList<>();
        cases.path("texts").forEach(text -> texts.add(text.asString()));
        return texts;
    }

    int[] ids(String key, int index) {
        return ints(cases.path(key).path(index));
    }

    static int[] ints(JsonNode node) {
        return node.valueStream().mapToInt(JsonNode::asInt).toArray();
    }
}
