package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

class SettingsTest {
    @TempDir
    private Path folder;

    private static String value(Settings settings, String option) {
        CommandSpec serve = Objects.requireNonNull(
                        Main.commands("").getSubcommands().get("serve"))
                .getCommandSpec();
        return String.valueOf(settings.defaultValue(serve.findOption(option)));
    }

    /** What a command line that ends with {@code status} says on standard error. */
    private static String complaint(Map<String, String> environment, int status, String... arguments) {
        StringWriter err = new StringWriter();
        assertThat(Main.run(environment, new PrintWriter(new StringWriter()), new PrintWriter(err, true), arguments))
                .as("%s", err)
                .isEqualTo(status);
        return err.toString();
    }

    private Path file(String yaml) throws IOException {
        return Files.writeString(folder.resolve("apus.yaml"), yaml);
    }

    @Test
    void theEnvironmentWinsOverTheFile() throws IOException {
        Path file = file("port: 9000\nmax_model_len: 128\nmodel: some/folder\n");
        Settings settings = Settings.read(Map.of("APUS_PORT", "9001"), "serve", "--config", file.toString());
        assertThat(value(settings, "--port")).isEqualTo("9001");
        assertThat(value(settings, "--max-model-len")).isEqualTo("128");
        assertThat(value(settings, "--host")).isEqualTo("null");
        CommandSpec serve = Objects.requireNonNull(
                        Main.commands("").getSubcommands().get("serve"))
                .getCommandSpec();
        assertThat(settings.defaultValue(serve.positionalParameters().getFirst()))
                .isEqualTo("some/folder");
    }

    @Test
    void theFileCanBeNamedByTheEnvironment() throws IOException {
        Path file = file("enable-prefix-caching: false\n");
        Settings settings = Settings.read(Map.of("APUS_CONFIG", file.toString()), "serve");
        assertThat(value(settings, "--enable-prefix-caching")).isEqualTo("false");
    }

    @Test
    void anUnknownKeyIsRefused() throws IOException {
        Path file = file("prot: 9000\n");
        String said = complaint(Map.of(), 2, "serve", "--config=" + file);
        assertThat(said)
                .contains("unknown key 'prot'", " port, ", "max-model-len")
                .doesNotContain("soak", "help", "version");
    }

    @Test
    void aMissingFileIsSaidToBeMissing() {
        String said = complaint(Map.of(), 2, "serve", "--config", "/nope.yml");
        assertThat(said).isEqualToIgnoringNewLines("apus: --config /nope.yml: there is no such file");
    }

    @Test
    void anUnknownVariableIsWarnedOf() {
        String said = complaint(
                Map.of(
                        "APUS_PROT",
                        "1",
                        "APUS_LOG_LEVEL",
                        "INFO",
                        "APUS_CUDA_PATH",
                        "/x",
                        "APUS_SHUTDOWN_TIMEOUT",
                        "3"),
                0,
                "run",
                "--help");
        assertThat(said.lines()).singleElement().asString().contains("warning", "APUS_PROT", "did you mean APUS_PORT?");
    }

    @Test
    void aRefusedValueTellsWhereItIsFrom() throws IOException {
        assertThat(complaint(Map.of("APUS_PORT", "xyz"), 2, "serve")).contains("'xyz'", "the environment: APUS_PORT");
        Path file = file("port: abc\n");
        assertThat(complaint(Map.of(), 2, "serve", "--config", file.toString()))
                .contains("'abc'", "from " + file + ": port");
        assertThat(complaint(Map.of("APUS_PORT", "1"), 2, "serve", "--port=80x"))
                .contains("'80x'")
                .doesNotContain("APUS_PORT");
    }

    @Test
    void aFileThatIsNoMapIsRefused() throws IOException {
        for (String yaml : new String[] {"- a\n- b\n", "port: [1, 2]\n", "port: {a: b}\n", "port:\n", "a: b: c\n"}) {
            Path file = file(yaml);
            assertThatThrownBy(() -> Settings.read(Map.of(), "--config", file.toString()))
                    .as(yaml)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(file.toString());
        }
        assertThatThrownBy(() -> Settings.read(Map.of(), "--config", "no/such/file"))
                .hasMessageContaining("no/such/file");
    }

    @Test
    void everyCommandHasHelp() {
        for (Map.Entry<String, CommandLine> command :
                Main.commands("").getSubcommands().entrySet()) {
            assertThat(command.getValue().getUsageMessage())
                    .as(command.getKey())
                    .contains("Usage: apus ")
                    .hasSizeGreaterThan(80);
        }
    }
}
