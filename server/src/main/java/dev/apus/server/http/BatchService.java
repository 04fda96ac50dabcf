package dev.apus.server.http;

import dev.apus.server.batch.BatchException;
import dev.apus.server.batch.BatchOptions;
import dev.apus.server.batch.BatchWork;
import dev.apus.server.batch.Batches;
import java.nio.file.Files;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The server's batches, if it has any. The folder is made when the first file is sent, so that a server of which nobody wants batches
 * leaves nothing behind; what is in it from before is gone on with at the start. Thread-safe.
 */
final class BatchService implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(BatchService.class);

    private final @Nullable BatchOptions options;
    private @Nullable BatchWork work;
    private @Nullable Batches batches;
    private boolean closed;

    /** @param options null if there are to be no batches */
    BatchService(@Nullable BatchOptions options) {
        this.options = options;
    }

    /**
     * Goes on with what an earlier server has left.
     *
     * @throws IllegalArgumentException if the folder was asked for and cannot be used
     */
    synchronized void start(BatchWork server) {
        work = server;
        BatchOptions wanted = options;
        if (wanted == null || (!wanted.required() && !Files.isDirectory(wanted.folder()))) {
            return;
        }
        try {
            batches = Batches.open(wanted, server);
        } catch (BatchException e) {
            if (wanted.required()) {
                throw new IllegalArgumentException(e.getMessage(), e);
            }
            LOG.warn("there are no batches: {}", e.getMessage());
        }
    }

    /** @throws ApiException 501 if there are none here */
    synchronized Batches get() {
        BatchOptions wanted = options;
        BatchWork server = work;
        if (wanted == null || server == null) {
            throw off("files and batches are off here: start the server with --batch-dir FOLDER");
        }
        if (closed) {
            throw ApiException.unavailable("the server is shutting down");
        }
        Batches open = batches;
        if (open == null) {
            try {
                open = Batches.open(wanted, server);
                batches = open;
            } catch (BatchException e) {
                throw off(String.valueOf(e.getMessage()));
            }
        }
        return open;
    }

    private static ApiException off(String why) {
        return new ApiException(501, why, null, "batches_off", 0);
    }

    /** What a refusal is in HTTP. */
    static ApiException toApi(BatchException e) {
        String message = String.valueOf(e.getMessage());
        return switch (e.kind()) {
            case NOT_FOUND -> new ApiException(404, message, null, "not_found", 0);
            case INVALID -> new ApiException(400, message, e.param(), "invalid_value", 0);
            case CONFLICT -> new ApiException(409, message, null, "conflict", 0);
            case TOO_LARGE -> new ApiException(413, message, e.param(), "file_too_large", 0);
            case QUOTA -> new ApiException(413, message, null, "storage_quota_exceeded", 0);
            case DISK -> new ApiException(507, message, null, "insufficient_storage", 0);
            case OFF -> off(message);
        };
    }

    /** Starts no more requests. */
    synchronized void drain() {
        Batches open = batches;
        if (open != null) {
            open.drain();
        }
    }

    /** Drops the requests that run. */
    synchronized void abandon() {
        Batches open = batches;
        if (open != null) {
            open.abandon();
        }
    }

    @Override
    public void close() {
        Batches open;
        synchronized (this) {
            closed = true;
            open = batches;
        }
        if (open != null) {
            open.close();
        }
    }
}
