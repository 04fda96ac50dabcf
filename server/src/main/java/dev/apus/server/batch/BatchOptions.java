package dev.apus.server.batch;

import java.nio.file.Path;
import java.time.Duration;

/**
 * Where batches live and what they may take.
 *
 * @param folder made when it is needed; one server at a time uses it
 * @param required whether a server that cannot use the folder must not start; else it goes without batches and says so
 * @param maxFileBytes most bytes of a file that is sent
 * @param maxLines most requests of a batch
 * @param maxLineBytes most bytes of one of them
 * @param maxTenantBytes most bytes of a tenant's files and answers together
 * @param maxConcurrent most requests of all batches in the engine at one time
 * @param window how long after its creation a batch ends, done or not
 * @param retry how long to wait before trying again what the disk refused
 */
public record BatchOptions(
        Path folder,
        boolean required,
        long maxFileBytes,
        int maxLines,
        int maxLineBytes,
        long maxTenantBytes,
        int maxConcurrent,
        Duration window,
        Duration retry) {
    /** OpenAI's limit. */
    public static final int MOST_LINES = 50_000;
    /** OpenAI's limit. */
    public static final long MOST_FILE_BYTES = 200L << 20;
    /** A context's worth of text, or a request's inputs for embeddings, several times over. */
    public static final int MOST_LINE_BYTES = 8 << 20;
    /** Some full files and their answers. */
    public static final long MOST_TENANT_BYTES = 10L << 30;
    /** Enough to keep an engine busy that nobody else uses, and few beside the places that it has. */
    public static final int MOST_CONCURRENT = 16;

    private static final Duration WINDOW = Duration.ofHours(24);
    private static final Duration RETRY = Duration.ofSeconds(10);

    public BatchOptions {
        require(maxFileBytes >= 1, "max-batch-file-bytes", maxFileBytes);
        require(maxLines >= 1, "max-batch-requests", maxLines);
        require(maxLineBytes >= 1, "max-batch-line-bytes", maxLineBytes);
        require(maxTenantBytes >= 1, "max-batch-tenant-bytes", maxTenantBytes);
        require(maxConcurrent >= 1, "max-batch-concurrency", maxConcurrent);
    }

    /** A folder with the usual limits. */
    public static BatchOptions of(Path folder) {
        return new BatchOptions(
                folder,
                true,
                MOST_FILE_BYTES,
                MOST_LINES,
                MOST_LINE_BYTES,
                MOST_TENANT_BYTES,
                MOST_CONCURRENT,
                WINDOW,
                RETRY);
    }

    private static void require(boolean holds, String name, long value) {
        if (!holds) {
            throw new IllegalArgumentException(name + " is " + value + ", must be 1 or more");
        }
    }
}
