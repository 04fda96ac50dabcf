package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class TextStreamTest {
    @Test
    void holdsBackWhatMayBecomeAStopString() {
        StopMatcher matcher = new StopMatcher(List.of("STOP", "\n\n"), false);
        assertThat(matcher.add("abcS")).isEqualTo("abc");
        assertThat(matcher.add("T")).isEmpty();
        assertThat(matcher.add("x\n")).isEqualTo("STx");
        assertThat(matcher.add("S")).isEqualTo("\n");
        assertThat(matcher.add("TO")).isEmpty();
        assertThat(matcher.add("P and more")).isEmpty();
        assertThat(matcher.matched()).isEqualTo("STOP");
        assertThat(matcher.add("later")).isEmpty();
        assertThat(matcher.finish()).isEmpty();
    }

    @Test
    void givesBackTheRestAtTheEnd() {
        StopMatcher matcher = new StopMatcher(List.of("END"), false);
        assertThat(matcher.add("the EN")).isEqualTo("the ");
        assertThat(matcher.finish()).isEqualTo("EN");
        assertThat(matcher.matched()).isNull();
    }

    @Test
    void refusesAnEmptyStopString() {
        assertThatThrownBy(() -> new StopMatcher(List.of(""), false)).isInstanceOf(IllegalArgumentException.class);
    }

    /** Wherever pieces end, the text is the one that the characters alone give. */
    @Property(tries = 500)
    void piecesDoNotMatter(@ForAll long seed, @ForAll boolean include) {
        Random random = new Random(seed);
        List<String> stops = List.of(word(random, 1 + random.nextInt(4)), word(random, 1 + random.nextInt(5)));
        String text = word(random, 60);
        int end = text.length();
        String stopped = null;
        for (int i = 1; i <= text.length() && stopped == null; i++) {
            for (String stop : stops) {
                if (text.substring(0, i).endsWith(stop) && (stopped == null || stop.length() > stopped.length())) {
                    stopped = stop;
                    end = include ? i : i - stop.length();
                }
            }
        }
        StopMatcher matcher = new StopMatcher(stops, include);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < text.length(); ) {
            int next = Math.min(text.length(), i + random.nextInt(5));
            out.append(matcher.add(text.substring(i, next)));
            i = next;
        }
        out.append(matcher.finish());
        assertThat(out.toString()).isEqualTo(text.substring(0, end));
        assertThat(matcher.matched()).isEqualTo(stopped);
    }

    private static String word(Random random, int length) {
        StringBuilder word = new StringBuilder();
        for (int i = 0; i < length; i++) {
            word.append((char) ('a' + random.nextInt(3)));
        }
        return word.toString();
    }
}
