package dev.apus.server.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WorkloadTest {
    @Test
    void randomPromptsHaveTheirLengthsAPrefixAndTheirSeed() {
        List<BenchRequest> requests = Workload.random(200, 100, 40, 0.5, 8, 5000, 3);
        assertThat(requests).hasSize(200).allSatisfy(request -> {
            assertThat(request.prompt().length).isBetween(58, 158);
            assertThat(request.outputTokens()).isBetween(20, 60);
            assertThat(request.prompt())
                    .startsWith(java.util.Arrays.copyOf(requests.getFirst().prompt(), 8));
            assertThat(java.util.Arrays.stream(request.prompt())).allMatch(id -> id >= 1000 && id < 5000);
        });
        assertThat(requests.stream().mapToInt(r -> r.prompt().length).distinct().count())
                .isGreaterThan(30);
        assertThat(requests.get(1).prompt()).isNotEqualTo(requests.get(2).prompt());
        assertThat(Workload.random(200, 100, 40, 0.5, 8, 5000, 3).get(7).prompt())
                .isEqualTo(requests.get(7).prompt());
    }

    @Test
    void readsLinesOfTextIdsAndLengths(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("requests.jsonl");
        Files.writeString(
                file,
                "{\"prompt\":\"hello\",\"output_len\":3}\n\n{\"prompt\":[5,6,7],\"max_tokens\":4}\n{\"prompt_len\":9}\n");
        List<BenchRequest> requests = Workload.read(file, 5, 12, 100, 1);
        assertThat(requests).hasSize(5);
        assertThat(requests.get(0).text()).isEqualTo("hello");
        assertThat(requests.get(0).outputTokens()).isEqualTo(3);
        assertThat(requests.get(1).prompt()).containsExactly(5, 6, 7);
        assertThat(requests.get(1).outputTokens()).isEqualTo(4);
        assertThat(requests.get(2).prompt()).hasSize(9);
        assertThat(requests.get(2).outputTokens()).isEqualTo(12);
        assertThat(requests.get(3)).isSameAs(requests.get(0));
    }

    @Test
    void readsShareGpt(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("sharegpt.json");
        Files.writeString(
                file,
                "[{\"conversations\":[{\"from\":\"human\",\"value\":\"Hi\"},{\"from\":\"gpt\",\"value\":\"Ho\"}]},"
                        + "{\"conversations\":[]}]");
        assertThat(Workload.read(file, 0, 7, 100, 1)).singleElement().satisfies(request -> {
            assertThat(request.text()).isEqualTo("Hi");
            assertThat(request.outputTokens()).isEqualTo(7);
        });
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"{\"prompt\":[1,200]}", "{\"output_len\":3}", "{\"prompt\":\"a\",\"output_len\":0}", "{nonsense"
            })
    void namesTheLineThatIsWrong(String line, @TempDir Path folder) throws IOException {
        Path file = folder.resolve("requests.jsonl");
        Files.writeString(file, "{\"prompt\":\"fine\"}\n" + line + "\n");
        assertThatThrownBy(() -> Workload.read(file, 0, 7, 100, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("line 2");
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.4, 1, 5})
    void arrivalsComeAtTheirRate(double burstiness) {
        int count = 40_000;
        long[] times = Arrivals.times(count, 50, burstiness, 9);
        assertThat(times).isSorted();
        assertThat(count * 1e9 / times[count - 1]).isCloseTo(50, within(1.5));
        double squares = 0;
        for (int i = 1; i < count; i++) {
            double gap = (times[i] - times[i - 1]) * 1e-9 * 50;
            squares += (gap - 1) * (gap - 1);
        }
        // A gamma variate of shape b has the variance 1 / b at mean 1.
        assertThat(squares / count * burstiness).isCloseTo(1, within(0.08));
        assertThat(Arrivals.times(3, Double.POSITIVE_INFINITY, 1, 9)).containsOnly(0);
    }

    @Test
    void percentilesAreNumpys() {
        Samples samples = new Samples(new double[] {4, 1, 3, 2});
        assertThat(samples.median()).isEqualTo(2.5);
        assertThat(samples.percentile(90)).isCloseTo(3.7, within(1e-12));
        assertThat(samples.mean()).isEqualTo(2.5);
        assertThat(new Samples(new double[0]).percentile(99)).isZero();
    }
}
