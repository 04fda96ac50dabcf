package dev.apus.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Encoding and decoding against Hugging Face tokenizers, one small vocabulary of each kind. */
class TokenizerJsonFixturesTest {
    @ParameterizedTest
    @ValueSource(strings = {"byte-level", "llama", "gemma", "unigram", "wordpiece", "suffix"})
    void encodesAsHuggingFaceDoes(String name) {
        Fixture fixture = Fixture.of(name);
        try (Tokenizer tokenizer = fixture.open()) {
            List<String> texts = fixture.texts();
            for (int i = 0; i < texts.size(); i++) {
                String text = texts.get(i);
                assertThat(tokenizer.encode(text, false, true)).as(text).isEqualTo(fixture.ids("parsed", i));
                assertThat(tokenizer.encode(text, true, true)).as(text).isEqualTo(fixture.ids("full", i));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"byte-level", "llama", "gemma", "wordpiece", "suffix"})
    void plainTextMakesNoSpecialToken(String name) {
        Fixture fixture = Fixture.of(name);
        try (Tokenizer tokenizer = fixture.open()) {
            List<String> texts = fixture.texts();
            for (int i = 0; i < texts.size(); i++) {
                assertThat(tokenizer.encode(texts.get(i), false, false))
                        .as(texts.get(i))
                        .isEqualTo(fixture.ids("plain", i));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"byte-level", "llama", "gemma", "unigram", "wordpiece", "suffix"})
    void decodesAsHuggingFaceDoes(String name) {
        Fixture fixture = Fixture.of(name);
        try (Tokenizer tokenizer = fixture.open()) {
            for (JsonNode row : fixture.cases().path("decode")) {
                int[] ids = Fixture.ints(row.path("ids"));
                assertThat(tokenizer.decode(ids, false))
                        .as("%s", row)
                        .isEqualTo(row.path("keep").asString());
                assertThat(tokenizer.decode(ids, true))
                        .as("%s", row)
                        .isEqualTo(row.path("skip").asString());
                assertThat(streamed(tokenizer, ids, false))
                        .as("%s", row)
                        .isEqualTo(row.path("keep").asString());
                assertThat(streamed(tokenizer, ids, true))
                        .as("%s", row)
                        .isEqualTo(row.path("skip").asString());
            }
        }
    }

    private static String streamed(Tokenizer tokenizer, int[] ids, boolean skip) {
        Detokenizer detokenizer = tokenizer.detokenizer(skip);
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(detokenizer.add(id));
        }
        return text.append(detokenizer.finish()).toString();
    }
}
