package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class BenchLatencyCommandTest {
    private static final String MODEL = "../models/src/test/resources/golden/qwen3";

    private static BenchLatencyCommand parse(String... args) {
        BenchLatencyCommand command = new BenchLatencyCommand();
        new CommandLine(command).setCaseInsensitiveEnumValuesAllowed(true).parseArgs(args);
        return command;
    }

    @Test
    void theStepsOfACpuCannotBeProfiled() {
        BenchLatencyCommand command = parse(MODEL, "--backend=cpu", "--profile-steps");
        assertThatThrownBy(command::call)
                .isInstanceOf(UserException.class)
                .hasMessageContaining("--profile-steps: the cpu backend");
    }

    @Test
    void withoutProfileItSaysLatencies(@TempDir Path folder) throws Exception {
        Path json = folder.resolve("figures.json");
        BenchLatencyCommand command = parse(
                MODEL,
                "--backend=cpu",
                "--kernels=scalar",
                "--threads=1",
                "--load-format=dummy",
                "--batch-size=2",
                "--input-len=5",
                "--output-len=4",
                "--num-iters=2",
                "--num-iters-warmup=0",
                "--output-json=" + json);
        assertThat(command.call()).isZero();
        JsonNode figures = JsonMapper.shared().readTree(Files.readString(json));
        assertThat(figures.get("avg_latency_s").doubleValue()).isPositive();
        assertThat(figures.has("profiled_steps")).isFalse();
    }
}
