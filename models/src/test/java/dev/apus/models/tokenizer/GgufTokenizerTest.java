package dev.apus.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** Tokenizers made of GGUF metadata; the metadata is made of the byte-level fixture, so the expected ids are Hugging Face's. */
class GgufTokenizerTest {
    @Test
    void byteLevelMetadataGivesTheSameIdsAsTheTokenizerJson() {
        Fixture fixture = Fixture.of("byte-level");
        try (Tokenizer tokenizer = new GgufTokenizer("test", metadata(fixture)).open()) {
            List<String> texts = fixture.texts();
            for (int i = 0; i < texts.size(); i++) {
                assertThat(tokenizer.encode(texts.get(i), false, true))
                        .as(texts.get(i))
                        .isEqualTo(fixture.ids("parsed", i));
                assertThat(tokenizer.encode(texts.get(i), false, false))
                        .as(texts.get(i))
                        .isEqualTo(fixture.ids("plain", i));
            }
            assertThat(tokenizer.bosId()).isEqualTo(1);
            assertThat(tokenizer.eosIds()).containsExactly(2, 4);
        }
    }

    @Test
    void addBosTokenPrependsIt() {
        Map<String, Object> metadata = metadata(Fixture.of("byte-level"));
        metadata.put("tokenizer.ggml.add_bos_token", true);
        try (Tokenizer tokenizer = new GgufTokenizer("test", metadata).open()) {
            assertThat(tokenizer.encode("", true, true)).containsExactly(1);
            assertThat(tokenizer.encode("", false, true)).isEmpty();
        }
    }

    @Test
    void anUnknownPreTokenizerIsNamed() {
        Map<String, Object> metadata = metadata(Fixture.of("byte-level"));
        metadata.put("tokenizer.ggml.pre", "no-such");
        assertThatThrownBy(() -> new GgufTokenizer("file.gguf", metadata).open())
                .isInstanceOf(TokenizerException.class)
                .hasMessageContaining("file.gguf")
                .hasMessageContaining("no-such")
                .hasMessageContaining("smollm");
    }

    @Test
    void bertMetadataGivesTheSameIdsAsTheTokenizerJson() {
        Fixture fixture = Fixture.of("wordpiece");
        JsonNode vocab = TokenizerJson.mapper()
                .readTree(fixture.folder().resolve("tokenizer.json"))
                .path("model")
                .path("vocab");
        List<String> tokens = new ArrayList<>(Collections.nCopies(vocab.size(), ""));
        List<Integer> types = new ArrayList<>(Collections.nCopies(vocab.size(), SpmVocabulary.NORMAL));
        vocab.properties().forEach(entry -> {
            String token = entry.getKey();
            int id = entry.getValue().asInt();
            boolean special = token.startsWith("[") && token.endsWith("]") && token.length() > 2;
            // as llama.cpp's converter writes it: a word's start is marked, not its continuation
            tokens.set(id, special ? token : token.startsWith("##") ? token.substring(2) : "\u2581" + token);
            types.set(id, special ? SpmVocabulary.CONTROL : SpmVocabulary.NORMAL);
        });
        Map<String, Object> metadata = new HashMap<>();
        metadata.put("tokenizer.ggml.model", "bert");
        metadata.put("tokenizer.ggml.tokens", tokens);
        metadata.put("tokenizer.ggml.token_type", types);
        metadata.put("tokenizer.ggml.unknown_token_id", 1L);
        metadata.put("tokenizer.ggml.bos_token_id", 2L);
        metadata.put("tokenizer.ggml.seperator_token_id", 3L);
        try (Tokenizer tokenizer = new GgufTokenizer("test", metadata).open()) {
            List<String> texts = fixture.texts();
            for (int i = 0; i < texts.size(); i++) {
                assertThat(tokenizer.encode(texts.get(i), true, true))
                        .as(texts.get(i))
                        .isEqualTo(fixture.ids("full", i));
                assertThat(tokenizer.encode(texts.get(i), false, false))
                        .as(texts.get(i))
                        .isEqualTo(fixture.ids("plain", i));
            }
            for (JsonNode row : fixture.cases().path("decode")) {
                assertThat(tokenizer.decode(Fixture.ints(row.path("ids")), true))
                        .as("%s", row)
                        .isEqualTo(row.path("skip").asString());
            }
        }
    }

    @Test
    void t5MetadataGivesSentencePiecesIds() {
        sentencePiece("spm-nfkc", "t5");
    }

    @Test
    void llamaMetadataGivesSentencePiecesIds() {
        sentencePiece("spm-bpe", "llama");
    }

    /** Plain text that no user-defined piece is in: a GGUF file means those for the raw text, SentencePiece for the prepared one. */
    private static void sentencePiece(String name, String model) {
        Fixture fixture = Fixture.of(name);
        SpmModel spm = SpmModel.parse(name, fixture.bytes("tokenizer.model"));
        Map<String, Object> metadata = new HashMap<>();
        metadata.put("tokenizer.ggml.model", model);
        metadata.put("tokenizer.ggml.tokens", spm.pieces());
        metadata.put(
                "tokenizer.ggml.scores", Arrays.stream(spm.scores()).boxed().toList());
        metadata.put(
                "tokenizer.ggml.token_type", Arrays.stream(spm.types()).boxed().toList());
        metadata.put("tokenizer.ggml.remove_extra_whitespaces", spm.tidySpaces());
        List<Byte> charsMap = new ArrayList<>();
        for (byte b : spm.charsMap()) {
            charsMap.add(b);
        }
        metadata.put("tokenizer.ggml.precompiled_charsmap", charsMap);
        List<String> defined = new ArrayList<>();
        for (int id = 0; id < spm.types().length; id++) {
            if (spm.types()[id] == SpmVocabulary.USER_DEFINED) {
                defined.add(spm.pieces().get(id));
            }
        }
        try (Tokenizer tokenizer = new GgufTokenizer("test", metadata).open()) {
            List<String> texts = fixture.texts();
            for (int i = 0; i < texts.size(); i++) {
                if (defined.stream().noneMatch(texts.get(i)::contains)) {
                    assertThat(tokenizer.encode(texts.get(i), false, false))
                            .as(texts.get(i))
                            .isEqualTo(fixture.ids("plain", i));
                }
            }
        }
    }

    private static Map<String, Object> metadata(Fixture fixture) {
        JsonNode json = TokenizerJson.mapper().readTree(fixture.folder().resolve("tokenizer.json"));
        JsonNode vocab = json.path("model").path("vocab");
        List<String> tokens = new ArrayList<>(Collections.nCopies(vocab.size(), ""));
        vocab.properties().forEach(entry -> tokens.set(entry.getValue().asInt(), entry.getKey()));
        List<Integer> types = new ArrayList<>(Collections.nCopies(vocab.size(), 1));
        json.path("added_tokens").forEach(token -> types.set(token.path("id").asInt(), SpmVocabulary.CONTROL));
        List<String> merges = new ArrayList<>();
        json.path("model")
                .path("merges")
                .forEach(m -> merges.add(m.path(0).asString() + " " + m.path(1).asString()));
        Map<String, Object> metadata = new HashMap<>();
        metadata.put("tokenizer.ggml.model", "gpt2");
        metadata.put("tokenizer.ggml.pre", "gpt-2");
        metadata.put("tokenizer.ggml.tokens", tokens);
        metadata.put("tokenizer.ggml.token_type", types);
        metadata.put("tokenizer.ggml.merges", merges);
        metadata.put("tokenizer.ggml.bos_token_id", 1L);
        metadata.put("tokenizer.ggml.eos_token_id", 2L);
        return metadata;
    }
}
