package dev.apus.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** SentencePiece and tiktoken files against SentencePiece, tiktoken and transformers; see src/test/scripts/tokenizer_file_fixtures.py. */
class VocabularyFilesTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "spm-bpe",
                "spm-llama",
                "spm-gemma",
                "spm-unigram",
                "spm-nfkc",
                "tiktoken-qwen",
                "tiktoken-kimi",
                "tiktoken-pattern"
            })
    void encodesAndDecodesAsTheReferenceDoes(String name) {
        Fixture fixture = Fixture.of(name);
        try (Tokenizer tokenizer = fixture.open()) {
            check(tokenizer, fixture, fixture.texts().size());
        }
    }

    /** Llama 3's own release is known by the size of its vocabulary; this one of the same size has all bytes, pairs, then triples. */
    @Test
    void llama3IsKnownByTheNumberOfItsRanks(@TempDir Path folder) throws IOException {
        StringBuilder lines = new StringBuilder();
        for (int rank = 0; rank < 128_000; rank++) {
            int value = rank < 256 ? rank : rank < 256 + 65_536 ? rank - 256 : rank - 256 - 65_536;
            int length = rank < 256 ? 1 : rank < 256 + 65_536 ? 2 : 3;
            byte[] token = new byte[length];
            for (int i = length - 1; i >= 0; i--) {
                token[i] = (byte) value;
                value >>= 8;
            }
            lines.append(Base64.getEncoder().encodeToString(token))
                    .append(' ')
                    .append(rank)
                    .append('\n');
        }
        Files.writeString(folder.resolve("tokenizer.model"), lines, StandardCharsets.ISO_8859_1);
        Fixture fixture = Fixture.of("tiktoken-llama3");
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            check(tokenizer, fixture, fixture.texts().size());
            assertThat(tokenizer.size()).isEqualTo(128_256);
            assertThat(tokenizer.bosId()).isEqualTo(128_000);
            assertThat(tokenizer.eosIds()).containsExactly(128_009, 128_001, 128_008);
            assertThat(tokenizer.encode("", true, true)).containsExactly(128_000);
            assertThat(tokenizer.token(128_010)).isEqualTo("<|python_tag|>");
            assertThat(tokenizer.token(128_255)).isEqualTo("<|reserved_special_token_247|>");
        }
    }

    private static void check(Tokenizer tokenizer, Fixture fixture, int count) {
        List<String> texts = fixture.texts();
        SoftAssertions soft = new SoftAssertions();
        for (int i = 0; i < count; i++) {
            String text = texts.get(i);
            soft.assertThat(tokenizer.encode(text, false, true))
                    .as("parsed \"%s\"", text)
                    .isEqualTo(fixture.ids("parsed", i));
            soft.assertThat(tokenizer.encode(text, false, false))
                    .as("plain \"%s\"", text)
                    .isEqualTo(fixture.ids("plain", i));
            if (fixture.cases().has("full")) {
                soft.assertThat(tokenizer.encode(text, true, true))
                        .as("full \"%s\"", text)
                        .isEqualTo(fixture.ids("full", i));
            }
        }
        for (JsonNode row : fixture.cases().path("decode")) {
            int[] ids = Fixture.ints(row.path("ids"));
            soft.assertThat(tokenizer.decode(ids, false))
                    .as("%s", row)
                    .isEqualTo(row.path("keep").asString());
            soft.assertThat(tokenizer.decode(ids, true))
                    .as("%s", row)
                    .isEqualTo(row.path("skip").asString());
        }
        soft.assertAll();
    }
}
