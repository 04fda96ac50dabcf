package dev.apus.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A megabyte without a word's end: tokenising takes about a second, where an algorithm that is quadratic in a word's length would take
 * hours. The limit is far above that, as it is only to tell these two apart.
 */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class LongTextTest {
    private static final int LENGTH = 1 << 20;

    /** @param wholes whether the text comes back; else its spaces are tidied away or its one long word is unknown */
    @ParameterizedTest
    @CsvSource({"byte-level, ' ', true", "spm-bpe, ' ', true", "spm-unigram, a, true", "wordpiece, a, false"})
    void aMegabyteOfOneCharacterEnds(String name, String character, boolean wholes) {
        try (Tokenizer tokenizer = Fixture.of(name).open()) {
            String text = character.repeat(LENGTH);
            int[] ids = tokenizer.encode(text, false, true);
            String kept = wholes ? text : "";
            assertThat(tokenizer.decode(ids, true)).isEqualTo(kept);
        }
    }
}
