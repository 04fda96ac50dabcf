package dev.apus.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ByteTokenizerTest {
    @Test
    void printableTextComesBack() {
        ByteTokenizer tokenizer = new ByteTokenizer(32000);
        String text = "Hello, world ~";
        assertThat(tokenizer.decode(tokenizer.encode(text, true, true), true)).isEqualTo(text);
        assertThat(tokenizer.encode("é", false, false)).containsExactly(0xc3, 0xa9);
        assertThat(tokenizer.id("A")).isEqualTo('A');
        assertThat(tokenizer.id("AB")).isEqualTo(-1);
    }

    @Test
    void everyTokenIsOneCharacter() {
        ByteTokenizer tokenizer = new ByteTokenizer(1000);
        Detokenizer stream = tokenizer.detokenizer(true);
        for (int id = 0; id < 1000; id++) {
            String piece = stream.add(id);
            assertThat(piece)
                    .hasSize(1)
                    .isEqualTo(tokenizer.decode(new int[] {id}, true))
                    .isEqualTo(tokenizer.token(id));
            assertThat(piece.charAt(0)).isBetween(' ', '~');
        }
        assertThat(stream.finish()).isEmpty();
        assertThat(tokenizer.token(1000)).isNull();
    }

    @Test
    void idsStayInASmallVocabulary() {
        assertThat(new ByteTokenizer(50).encode("zz", true, true)).containsExactly('z' % 50, 'z' % 50);
    }

    @Test
    void aFolderTellsWhetherItHasATokenizer(@TempDir Path folder) throws java.io.IOException {
        assertThat(Tokenizers.isAt(folder)).isFalse();
        Files.writeString(folder.resolve("tokenizer.json"), "{}");
        assertThat(Tokenizers.isAt(folder)).isTrue();
    }
}
