package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
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
        Settings settings = Settings.read(Map.of(), "serve", "--config=" + file);
        assertThatThrownBy(() -> settings.checkKeys(Main.commands("")))
                .hasMessageContaining("unknown key 'prot'")
                .hasMessageContaining("port");
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
