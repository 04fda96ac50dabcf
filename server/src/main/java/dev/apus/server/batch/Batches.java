package dev.apus.server.batch;

import dev.apus.server.batch.Batch.Counts;
import dev.apus.server.batch.Batch.Order;
import dev.apus.server.batch.Batch.Owner;
import dev.apus.server.batch.BatchException.Kind;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Files and batches of all tenants in one folder, which one server at a time uses. What was not done when a server ended is gone on with
 * when it is opened again. Thread-safe.
 */
public final class Batches implements AutoCloseable {
    /** Batches of a tenant that have not ended. */
    private static final int MOST_OPEN = 1000;

    private final FileChannel lock;
    private final Parts parts;
    private final Ids ids;
    private final BatchRunner runner;

    /** What runs share. */
    record Parts(BatchOptions options, BatchStore store, FileStore files, Usage usage, Disk disk, BatchWork work) {}

    private Batches(FileChannel lock, BatchOptions options, BatchWork work, Disk disk) throws IOException {
        this.lock = lock;
        Path folder = options.folder();
        ids = new Ids();
        Usage usage = new Usage(options.maxTenantBytes());
        BatchStore store = new BatchStore(folder.resolve("batches"), disk, ids);
        FileStore files = new FileStore(folder.resolve("files"), options, disk, usage, ids, store.filesToCome());
        parts = new Parts(options, store, files, usage, disk, work);
        runner = new BatchRunner(parts);
        store.all().stream().filter(batch -> !batch.status().isEnd()).forEach(runner::offer);
    }

    /**
     * Opens the folder, makes it if need be, and goes on with what is not done.
     *
     * @throws BatchException if another server uses it, or it cannot be used
     */
    public static Batches open(BatchOptions options, BatchWork work) {
        return open(options, work, new Disk());
    }

    /** @param changed told of each file that is changed, after it was */
    static Batches open(BatchOptions options, BatchWork work, Consumer<Path> changed) {
        return open(options, work, new Disk(changed));
    }

    private static Batches open(BatchOptions options, BatchWork work, Disk disk) {
        Path folder = options.folder();
        FileChannel lock = null;
        try {
            disk.makeFolder(folder);
            lock = FileChannel.open(folder.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            if (lock.tryLock() == null) {
                throw inUse(folder);
            }
            return new Batches(lock, options, work, disk);
        } catch (OverlappingFileLockException e) {
            close(lock);
            throw inUse(folder);
        } catch (IOException e) {
            close(lock);
            throw new BatchException(
                    Kind.OFF,
                    null,
                    "the folder " + folder + " cannot be used for batches: " + e + "; name another with --batch-dir",
                    e);
        } catch (BatchException e) {
            close(lock);
            throw e;
        }
    }

    private static BatchException inUse(Path folder) {
        return new BatchException(
                Kind.OFF,
                "another server uses the folder " + folder + " for its batches; name another with --batch-dir");
    }

    private static void close(@Nullable FileChannel lock) {
        if (lock != null) {
            try {
                lock.close();
            } catch (IOException e) {
                throw new BatchException(Kind.OFF, null, "the lock cannot be closed: " + e, e);
            }
        }
    }

    /** The files. */
    public FileStore files() {
        return parts.files;
    }

    /**
     * Takes a batch.
     *
     * @throws BatchException if there is no such file, or the tenant has too many batches
     */
    public synchronized Batch create(Owner owner, Order order) {
        StoredFile input;
        try {
            input = parts.files.get(owner.tenant(), order.inputFileId());
        } catch (BatchException e) {
            throw new BatchException(
                    Kind.INVALID, "input_file_id", "there is no file of the id in 'input_file_id'", null);
        }
        if (!input.purpose().equals(StoredFile.INPUT)) {
            throw new BatchException(
                    Kind.INVALID,
                    "input_file_id",
                    "the file in 'input_file_id' has the purpose '" + input.purpose() + "', must be '"
                            + StoredFile.INPUT + "'",
                    null);
        }
        long open = parts.store.list(owner.tenant()).stream()
                .filter(batch -> !batch.status().isEnd())
                .count();
        if (open >= MOST_OPEN) {
            throw new BatchException(
                    Kind.QUOTA,
                    "the tenant '" + owner.tenant() + "' has " + open + " batches that have not ended, which is as many"
                            + " as it may; wait or cancel some");
        }
        long now = ids.moment();
        Batch batch = new Batch(
                        ids.next("batch_"),
                        owner,
                        order,
                        now,
                        now + parts.options.window().toMillis(),
                        BatchStatus.VALIDATING,
                        Map.of(),
                        Counts.NONE,
                        List.of(),
                        null)
                .enter(BatchStatus.VALIDATING, now);
        try {
            parts.store.add(batch);
        } catch (IOException e) {
            throw new BatchException(Kind.DISK, null, "the server's disk takes no more: " + e.getMessage(), e);
        }
        runner.offer(batch);
        return batch;
    }

    /** A batch of the tenant. @throws BatchException if it has none of this id */
    public Batch get(String tenant, String id) {
        return parts.store.get(tenant, id);
    }

    /** The tenant's batches, the oldest first. */
    public List<Batch> list(String tenant) {
        return parts.store.list(tenant);
    }

    /** Begins to end a batch; what is done of it stays. @throws BatchException if it ends already, or there is none */
    public Batch cancel(String tenant, String id) {
        Batch batch = parts.store.get(tenant, id);
        try {
            Batch cancelled = parts.store.update(batch.id(), now -> {
                if (now.status() == BatchStatus.CANCELLING) {
                    return now;
                }
                if (now.status() != BatchStatus.VALIDATING && now.status() != BatchStatus.IN_PROGRESS) {
                    throw new BatchException(
                            Kind.CONFLICT,
                            "the batch is " + now.status().word() + ", only one that is validating or in_progress can"
                                    + " be cancelled");
                }
                return now.enter(BatchStatus.CANCELLING, System.currentTimeMillis());
            });
            runner.wake(id);
            return cancelled;
        } catch (IOException e) {
            throw new BatchException(Kind.DISK, null, "the server's disk takes no more: " + e.getMessage(), e);
        }
    }

    /** Deletes a file of the tenant. @throws BatchException if it has none of this id, or a batch needs it */
    public synchronized void delete(String tenant, String fileId) {
        StoredFile file = parts.files.get(tenant, fileId);
        for (Batch batch : parts.store.list(tenant)) {
            if (!batch.status().isEnd() && batch.order().inputFileId().equals(fileId)) {
                throw new BatchException(
                        Kind.CONFLICT,
                        "the file is the input of batch " + batch.id() + ", which has not ended; cancel it first");
            }
        }
        parts.files.delete(file);
    }

    /** Starts no more requests; those that run may end and are kept. */
    public void drain() {
        runner.drain();
    }

    /** Drops what runs: it is run again when the folder is opened the next time. */
    public void abandon() {
        runner.abandon();
    }

    @Override
    public void close() {
        runner.close();
        close(lock);
    }
}
