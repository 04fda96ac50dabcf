package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.LanguageModel;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import picocli.CommandLine;

/** {@code --seed} reaches the requests that bring none. */
@Timeout(60)
class SeedTest {
    private static final Path TINY = Path.of("../models/src/test/resources/golden/gguf-llama/llama-Q4_1.gguf");

    @Test
    void fixesTheSeedsOfRequestsWithoutOne() {
        List<Long> seven = seeds("--seed", "7");
        assertThat(seven).doesNotHaveDuplicates().isEqualTo(seeds("--seed", "7"));
        assertThat(seeds("--seed", "8")).doesNotContainAnyElementsOf(seven);
        assertThat(seeds()).isEqualTo(seeds("--seed", "0"));
    }

    private static List<Long> seeds(String... options) {
        EngineArgs args = new EngineArgs();
        new CommandLine(args).setCaseInsensitiveEnumValuesAllowed(true).parseArgs(options);
        try (LanguageModel model = LanguageModel.open(TINY, args.options())) {
            return List.of(
                    model.params().build().seed(),
                    model.params().build().seed(),
                    model.served().seeds().next());
        }
    }
}
