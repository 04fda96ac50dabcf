package dev.apus.server.batch;

import dev.apus.server.batch.Batch.Counts;
import dev.apus.server.batch.Batch.Problem;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The tenants' batches. {@code ID.json} tells of a batch and is replaced whole when it changes its status; {@code ID.output} and
 * {@code ID.errors} are what it has so far. Thread-safe.
 */
final class BatchStore {
    private static final Logger LOG = LoggerFactory.getLogger(BatchStore.class);
    private static final String ABOUT = ".json";
    /** Of a tenant that have ended; the oldest are forgotten beyond. */
    private static final int MOST_ENDED = 10_000;

    /** Where the lines of a batch are written. */
    record Paths(Path output, Path errors) {}

    private final Path folder;
    private final Disk disk;
    private final BatchJson json = new BatchJson();
    private final Map<String, Batch> batches = new ConcurrentHashMap<>();

    BatchStore(Path folder, Disk disk, Ids ids) throws IOException {
        this.folder = folder;
        this.disk = disk;
        disk.makeFolder(folder);
        try (DirectoryStream<Path> all = Files.newDirectoryStream(folder, "*" + ABOUT)) {
            for (Path path : all) {
                try {
                    Batch batch = json.batch(path);
                    batches.put(batch.id(), batch);
                    ids.seen(batch.createdMillis());
                } catch (IOException e) {
                    LOG.error("a batch is left out: {}", e.getMessage());
                }
            }
        }
        try (DirectoryStream<Path> all = Files.newDirectoryStream(folder, "*.tmp")) {
            for (Path path : all) {
                // The server ended while it was written.
                disk.delete(path);
            }
        }
    }

    private Path about(String id) {
        return folder.resolve(id + ABOUT);
    }

    Paths paths(Batch batch) {
        return new Paths(folder.resolve(batch.id() + ".output"), folder.resolve(batch.id() + ".errors"));
    }

    /** A batch that there is. */
    Batch get(String id) {
        Batch batch = batches.get(id);
        if (batch == null) {
            throw BatchException.notFound("batch");
        }
        return batch;
    }

    /** @throws BatchException if the tenant has none of this id */
    Batch get(String tenant, String id) {
        Batch batch = get(id);
        if (!batch.owner().tenant().equals(tenant)) {
            throw BatchException.notFound("batch");
        }
        return batch;
    }

    /** The tenant's batches, the oldest first. */
    List<Batch> list(String tenant) {
        return batches.values().stream()
                .filter(batch -> batch.owner().tenant().equals(tenant))
                .sorted(Comparator.comparingLong(Batch::createdMillis))
                .toList();
    }

    Collection<Batch> all() {
        return batches.values();
    }

    /** Files that batches were about to leave behind when the server ended. */
    Set<String> filesToCome() {
        Set<String> ids = new HashSet<>();
        for (Batch batch : all()) {
            Batch.Results results = batch.results();
            if (results != null && !batch.status().isEnd()) {
                String output = results.outputFileId();
                String errors = results.errorFileId();
                if (output != null) {
                    ids.add(output);
                }
                if (errors != null) {
                    ids.add(errors);
                }
            }
        }
        return ids;
    }

    /** Keeps a new batch. */
    synchronized void add(Batch batch) throws IOException {
        disk.write(about(batch.id()), json.bytes(batch));
        batches.put(batch.id(), batch);
        List<Batch> ended = list(batch.owner().tenant()).stream()
                .filter(other -> other.status().isEnd())
                .toList();
        for (Batch oldest : ended.subList(0, Math.max(0, ended.size() - MOST_ENDED))) {
            disk.delete(about(oldest.id()));
            batches.remove(oldest.id());
        }
    }

    /** Changes a batch on the disk and then for all who ask. What the change throws leaves it as it was. */
    synchronized Batch update(String id, UnaryOperator<Batch> change) throws IOException {
        Batch changed = change.apply(get(id));
        disk.write(about(id), json.bytes(changed));
        batches.put(id, changed);
        return changed;
    }

    /** Shows how far a batch is; the disk knows by its lines. */
    synchronized void show(String id, Counts counts, List<Problem> waitsFor) {
        Batch batch = get(id);
        if (!batch.counts().equals(counts) || !batch.errors().equals(waitsFor)) {
            batches.put(id, batch.withCounts(counts).withErrors(waitsFor));
        }
    }

    /** Removes what a batch has written and not left behind. */
    void deleteParts(Batch batch) throws IOException {
        Paths paths = paths(batch);
        disk.delete(paths.output());
        disk.delete(paths.errors());
    }
}
