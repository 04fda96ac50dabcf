package dev.apus.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which file of a folder is taken, what its configuration adds, and what is refused. */
class VocabularyFoldersTest {
    @TempDir
    private Path folder;

    private String ranks = "";

    @BeforeEach
    void byteRanks() {
        StringBuilder lines = new StringBuilder();
        for (int b = 0; b < 256; b++) {
            lines.append(line(new byte[] {(byte) b}, b));
        }
        ranks = lines.toString();
    }

    private static String line(byte[] token, int rank) {
        return Base64.getEncoder().encodeToString(token) + " " + rank + "\n";
    }

    private void write(String name, String content) {
        try {
            Files.writeString(folder.resolve(name), content);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private void copy(String fixture, String file) {
        try {
            Files.write(folder.resolve(file), Fixture.of(fixture).bytes("tokenizer.model"));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private void refused(String... parts) {
        assertThatThrownBy(() -> Tokenizers.open(folder).close())
                .isInstanceOf(TokenizerException.class)
                .hasMessageContainingAll(parts);
    }

    @Test
    void aFolderWithoutATokenizerSaysWhatIsNeeded() {
        refused(folder.toString(), "tokenizer.json", "tokenizer.model", "0 GGUF files");
    }

    @Test
    void aTiktokenFileOfNoKnownFamilyIsRefused() {
        write("some.tiktoken", ranks);
        write("tokenizer_config.json", "{\"tokenizer_class\":\"OtherTokenizer\"}");
        refused("some.tiktoken", "OtherTokenizer", "256 ranks", "QWenTokenizer", "pat_str");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "IQ== 0 1|line 257",
                "IQ==|line 257",
                "I?== 300|line 257",
                "IQ== -1|line 257",
                "IQ== 99999999|line 257",
                "IQ== 300|repeats",
                "ISE= 4|repeats"
            })
    void damagedRanksAreRefused(String bad, String message) {
        write("qwen.tiktoken", ranks + bad + "\n");
        refused("qwen.tiktoken", message);
    }

    @Test
    void ranksWithoutEveryByteAreRefused() {
        write("qwen.tiktoken", ranks.substring(ranks.indexOf('\n') + 1));
        refused("single byte 0");
    }

    @Test
    void aTokenTooLongToDeriveMergesForIsRefused() {
        write("qwen.tiktoken", ranks + line("x".repeat(5000).getBytes(StandardCharsets.UTF_8), 256));
        refused("line 257", "1024");
    }

    @Test
    void chatGlmNeedsCodeAndIsRefused() {
        copy("spm-bpe", "tokenizer.model");
        write("tokenizer_config.json", "{\"tokenizer_class\":\"ChatGLMTokenizer\"}");
        refused("ChatGLMTokenizer", "tokenizer.json");
    }

    @Test
    void addedTokensComeFromAllFiles() {
        copy("spm-llama", "tokenizer.model");
        int size;
        try (Tokenizer bare = Tokenizers.open(folder)) {
            size = bare.size();
            assertThat(bare.bosId()).isEqualTo(1);
            assertThat(bare.eosIds()).containsExactly(2);
        }
        write("added_tokens.json", "{\"<tool>\":" + (size + 2) + "}");
        write("special_tokens_map.json", "{\"eos_token\":{\"content\":\"<|im_end|>\"},\"pad_token\":\"<new>\"}");
        write("tokenizer_config.json", "{\"add_bos_token\":false,\"additional_special_tokens\":[\"<tool>\"]}");
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertThat(tokenizer.id("<tool>")).isEqualTo(size + 2);
            assertThat(tokenizer.isSpecial(size + 2)).isTrue();
            assertThat(tokenizer.token(size)).isNull();
            assertThat(tokenizer.padId()).isEqualTo(size + 3);
            assertThat(tokenizer.eosIds()).containsExactly(tokenizer.id("<|im_end|>"));
            assertThat(tokenizer.encode("<tool><new>", true, true)).containsExactly(size + 2, size + 3);
            assertThat(tokenizer.encode("<tool>", true, false)).doesNotContain(size + 2);
            assertThat(tokenizer.decode(new int[] {size, size + 2}, false)).isEqualTo("<tool>");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"900000\":{\"content\":\"x\"}}|900000",
                "{\"-1\":{\"content\":\"x\"}}|-1",
                "{\"a\":{\"content\":\"x\"}}|no id",
                "{\"700\":{\"content\":\"\"}}|empty",
                "{\"700\":{\"content\":\"<s>\"}}|token 1 already"
            })
    void addedTokensThatCannotBeAreRefused(String decoder, String message) {
        copy("spm-llama", "spiece.model");
        write("tokenizer_config.json", "{\"added_tokens_decoder\":" + decoder + "}");
        refused("spiece.model", message);
    }

    @Test
    void controlTextThatIsAWholeWordIsNoControlToken() {
        // a tokenizer without a dummy prefix that takes whole words: "<s>" alone is a word of its vocabulary
        try (Tokenizer tokenizer = Fixture.of("spm-gemma").open()) {
            assertThat(tokenizer.encode("<s>", false, true)).containsExactly(1);
            assertThat(tokenizer.encode("<s>", false, false)).doesNotContain(1).hasSizeGreaterThan(1);
        }
    }
}
