package dev.apus.server.cli;

import dev.apus.server.batch.BatchOptions;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options for files and batches. */
final class BatchArgs {
    @Option(
            names = "--batch-dir",
            paramLabel = "FOLDER",
            description = "Where files and batches are kept; empty for none."
                    + " Default: $XDG_DATA_HOME/apus/batches, or ~/.local/share/apus/batches")
    private @Nullable String folder;

    @Option(
            names = "--max-batch-file-bytes",
            paramLabel = "BYTES",
            defaultValue = "200M",
            converter = ByteSize.class,
            description = "Largest file of a batch. Default: ${DEFAULT-VALUE}")
    private long maxFileBytes;

    @Option(
            names = "--max-batch-requests",
            paramLabel = "N",
            defaultValue = "50000",
            description = "Most requests of a batch. Default: ${DEFAULT-VALUE}")
    private int maxLines;

    @Option(
            names = "--max-batch-tenant-bytes",
            paramLabel = "BYTES",
            defaultValue = "10G",
            converter = ByteSize.class,
            description = "Most that a tenant's files and answers may take of the disk. Default: ${DEFAULT-VALUE}")
    private long maxTenantBytes;

    @Option(
            names = "--max-batch-concurrency",
            paramLabel = "N",
            defaultValue = "16",
            description = "Most requests of all batches in the engine at once. Default: ${DEFAULT-VALUE}")
    private int maxConcurrent;

    /**
     * What the options say; null for no batches.
     *
     * @throws IllegalArgumentException naming the option that is out of its range
     */
    @Nullable
    BatchOptions options() {
        String given = folder;
        if (given != null && given.isBlank()) {
            return null;
        }
        Path home = Path.of(System.getProperty("user.home", "."));
        BatchOptions usual = BatchOptions.of(given == null ? usualFolder(System.getenv(), home) : Path.of(given));
        return new BatchOptions(
                usual.folder(),
                given != null,
                maxFileBytes,
                maxLines,
                usual.maxLineBytes(),
                maxTenantBytes,
                maxConcurrent,
                usual.window(),
                usual.retry());
    }

    /** Not a cache: what is in it cannot be made again. */
    static Path usualFolder(Map<String, String> environment, Path home) {
        String data = environment.getOrDefault("XDG_DATA_HOME", "");
        return (data.isBlank() ? home.resolve(".local").resolve("share") : Path.of(data))
                .resolve("apus")
                .resolve("batches");
    }
}
