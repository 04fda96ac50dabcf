package dev.apus.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rotary frequencies and tables of config.json values against what transformers computes; see make_rope_tables.py. */
final class RopeTest {
    private static Map<String, Object> recorded() {
        try {
            return new JsonFiles()
                    .object(Path.of(Objects.requireNonNull(RopeTest.class.getResource("/rope.json"))
                            .toURI()));
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(e);
        }
    }

    static Stream<String> names() {
        return recorded().keySet().stream();
    }

    @ParameterizedTest
    @MethodSource("names")
    void agreesWithTransformers(String name) {
        Map<?, ?> entry = (Map<?, ?>) Objects.requireNonNull(recorded().get(name));
        DecoderConfig.Rope rope = config(entry).ropes().getFirst();
        check(RopeAngles.frequencies(rope, false), list(entry, "frequencies"));
        if (entry.containsKey("long_frequencies")) {
            check(RopeAngles.frequencies(rope, true), list(entry, "long_frequencies"));
        }
        double factor = ((Number) Objects.requireNonNull(entry.get("attention_factor"))).doubleValue();
        float[] table = RopeAngles.table(rope, 0, 3);
        float[] frequencies = RopeAngles.frequencies(rope, false);
        int half = rope.dim() / 2;
        for (int p = 0; p < 3; p++) {
            for (int i = 0; i < half; i++) {
                double angle = (double) p * frequencies[i];
                assertThat((double) table[p * rope.dim() + i]).isCloseTo(factor * Math.cos(angle), within(1e-6));
                assertThat((double) table[p * rope.dim() + half + i]).isCloseTo(factor * Math.sin(angle), within(1e-6));
            }
        }
    }

    @Test
    void keepsTheRowsOfShortSequencesBeforeThoseOfLongOnes() {
        DecoderConfig config =
                config((Map<?, ?>) Objects.requireNonNull(recorded().get("longrope")));
        assertThat(config.shortContext()).isEqualTo(128);
        DecoderConfig.Rope rope = config.ropes().getFirst();
        float[] both = RopeAngles.table(rope, 128, 300);
        float[] shortOnly = RopeAngles.table(rope, 0, 128);
        assertThat(both).startsWith(shortOnly).hasSize(428 * rope.dim());
        float[] frequencies = RopeAngles.frequencies(rope, true);
        float expected =
                (float) (Math.sin(299 * frequencies[1]) * ((RopeScaling.LongRope) rope.scaling()).attentionFactor());
        assertThat(both[427 * rope.dim() + rope.dim() / 2 + 1]).isCloseTo(expected, within(1e-5f));
    }

    private static void check(float[] found, List<?> expected) {
        assertThat(found).hasSameSizeAs(expected);
        for (int i = 0; i < found.length; i++) {
            double value = ((Number) expected.get(i)).doubleValue();
            assertThat((double) found[i]).as("frequency " + i).isCloseTo(value, within(2e-6 * value));
        }
    }

    private static List<?> list(Map<?, ?> entry, String key) {
        return (List<?>) Objects.requireNonNull(entry.get(key), key);
    }

    @SuppressWarnings("unchecked")
    private static DecoderConfig config(Map<?, ?> entry) {
        return ConfigFiles.config(new ConfigReader(
                "config.json", (Map<String, Object>) Objects.requireNonNull(entry.get("config")), Map.of()));
    }
}
