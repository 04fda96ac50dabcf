package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.server.batch.BatchOptions;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

class BatchArgsTest {
    @Command
    private static final class Host {
        @Mixin
        private BatchArgs batches = new BatchArgs();
    }

    private static @Nullable BatchOptions parse(String... arguments) {
        Host host = new Host();
        new CommandLine(host).parseArgs(arguments);
        return host.batches.options();
    }

    private static BatchOptions some(String... arguments) {
        return Objects.requireNonNull(parse(arguments));
    }

    @Test
    void readsAllOptions() {
        BatchOptions options = some(
                "--batch-dir",
                "here",
                "--max-batch-file-bytes",
                "1M",
                "--max-batch-requests=7",
                "--max-batch-tenant-bytes",
                "5",
                "--max-batch-concurrency",
                "3");
        assertThat(options.folder()).isEqualTo(Path.of("here"));
        assertThat(options.required()).isTrue();
        assertThat(options.maxFileBytes()).isEqualTo(1 << 20);
        assertThat(options.maxLines()).isEqualTo(7);
        assertThat(options.maxTenantBytes()).isEqualTo(5);
        assertThat(options.maxConcurrent()).isEqualTo(3);
    }

    @Test
    void anEmptyFolderMeansNone() {
        assertThat(parse("--batch-dir", "")).isNull();
        assertThat(parse("--batch-dir=")).isNull();
    }

    @Test
    void theUsualFolderNeedNotBeUsable() {
        BatchOptions options = some();
        assertThat(options.required()).isFalse();
        assertThat(BatchArgs.usualFolder(Map.of(), Path.of("/home/me")))
                .isEqualTo(Path.of("/home/me/.local/share/apus/batches"));
        assertThat(BatchArgs.usualFolder(Map.of("XDG_DATA_HOME", "/d"), Path.of("/home/me")))
                .isEqualTo(Path.of("/d/apus/batches"));
    }

    @Test
    void refusesWhatIsOutOfRange() {
        assertThatThrownBy(() -> parse("--max-batch-concurrency", "0"))
                .hasMessage("max-batch-concurrency is 0, must be 1 or more");
    }
}
