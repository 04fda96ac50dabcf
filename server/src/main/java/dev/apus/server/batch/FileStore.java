package dev.apus.server.batch;

import dev.apus.server.batch.BatchException.Kind;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The tenants' files. {@code ID.jsonl} is a file's content and {@code ID.json} tells of it; it is written last and removed first, so that a
 * file is there wholly or not at all. Names on disk are made of ids of our own. Thread-safe.
 */
public final class FileStore {
    private static final Logger LOG = LoggerFactory.getLogger(FileStore.class);
    private static final String CONTENT = ".jsonl";
    private static final String ABOUT = ".json";
    private static final String PART = ".part";
    private static final int MOST_NAME = 512;

    private final Path folder;
    private final BatchOptions options;
    private final Disk disk;
    private final Usage usage;
    private final Ids ids;
    private final BatchJson json = new BatchJson();
    private final Map<String, StoredFile> files = new ConcurrentHashMap<>();

    /** @param kept ids of files that batches are about to leave behind: their contents may be there alone */
    FileStore(Path folder, BatchOptions options, Disk disk, Usage usage, Ids ids, Set<String> kept) throws IOException {
        this.folder = folder;
        this.options = options;
        this.disk = disk;
        this.usage = usage;
        this.ids = ids;
        disk.makeFolder(folder);
        load(kept);
    }

    private void load(Set<String> kept) throws IOException {
        try (DirectoryStream<Path> all = Files.newDirectoryStream(folder, "*" + ABOUT)) {
            for (Path path : all) {
                try {
                    StoredFile file = json.file(path);
                    files.put(file.id(), file);
                    ids.seen(file.createdMillis());
                    usage.add(file.tenant(), file.bytes() + Usage.PER_FILE);
                } catch (IOException e) {
                    LOG.error("a file is left out: {}", e.getMessage());
                }
            }
        }
        try (DirectoryStream<Path> all = Files.newDirectoryStream(folder)) {
            for (Path path : all) {
                String name = path.getFileName().toString();
                String id = name.substring(0, Math.max(0, name.indexOf('.')));
                boolean orphan = name.endsWith(CONTENT) && !Files.exists(about(id)) && !kept.contains(id);
                if (orphan || name.endsWith(PART) || name.endsWith(".tmp")) {
                    // The server ended while it was sent or deleted.
                    disk.delete(path);
                }
            }
        }
    }

    private Path content(String id) {
        return folder.resolve(id + CONTENT);
    }

    private Path about(String id) {
        return folder.resolve(id + ABOUT);
    }

    /** A file of the tenant. @throws BatchException if it has none of this id */
    public StoredFile get(String tenant, String id) {
        StoredFile file = files.get(id);
        if (file == null || !file.tenant().equals(tenant)) {
            throw BatchException.notFound("file");
        }
        return file;
    }

    /** The tenant's files, the oldest first. */
    public List<StoredFile> list(String tenant) {
        return files.values().stream()
                .filter(file -> file.tenant().equals(tenant))
                .sorted(Comparator.comparingLong(StoredFile::createdMillis))
                .toList();
    }

    /** Opens a file to be read; it can be read to its end even if it is deleted meanwhile. @throws BatchException if the disk fails */
    public FileChannel open(StoredFile file) {
        try {
            return FileChannel.open(content(file.id()), StandardOpenOption.READ);
        } catch (IOException e) {
            throw new BatchException(Kind.DISK, null, "the file cannot be read: " + e, e);
        }
    }

    Path path(StoredFile file) {
        return content(file.id());
    }

    /** Removes a file. */
    void delete(StoredFile file) {
        try {
            disk.delete(about(file.id()));
            if (files.remove(file.id()) != null) {
                usage.giveBack(file.tenant(), file.bytes() + Usage.PER_FILE);
            }
            disk.delete(content(file.id()));
        } catch (IOException e) {
            throw new BatchException(Kind.DISK, null, "the file cannot be deleted: " + e, e);
        }
    }

    /** An id for a file to come. */
    String newId() {
        return ids.next("file-");
    }

    /**
     * Takes a file that a batch has written. May be done again after a crash.
     *
     * @param from where it is, unless it was moved before
     */
    void adopt(String id, String tenant, String filename, Path from) throws IOException {
        if (files.containsKey(id)) {
            return;
        }
        if (Files.exists(from)) {
            disk.move(from, content(id));
        }
        StoredFile file =
                new StoredFile(id, tenant, filename, StoredFile.OUTPUT, Files.size(content(id)), ids.moment());
        disk.write(about(id), json.bytes(file));
        usage.add(tenant, file.bytes() + Usage.PER_FILE);
        files.put(id, file);
    }

    /**
     * Begins to take a file.
     *
     * @throws BatchException if the tenant may store no more, or the disk fails
     */
    public Upload begin(String tenant) {
        return new Upload(tenant);
    }

    private static BatchException full(IOException e) {
        return new BatchException(Kind.DISK, null, "the server's disk takes no more: " + e.getMessage(), e);
    }

    /** A file that is being sent; it is there after {@link #commit}, else {@link #close} leaves nothing of it. Not thread-safe. */
    public final class Upload implements AutoCloseable {
        private final String id = newId();
        private final String tenant;
        private final Path part = folder.resolve(id + PART);
        private final FileChannel out;
        private long bytes;
        private boolean done;

        private Upload(String tenant) {
            this.tenant = tenant;
            usage.take(tenant, Usage.PER_FILE);
            try {
                out = FileChannel.open(part, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            } catch (IOException e) {
                usage.giveBack(tenant, Usage.PER_FILE);
                throw full(e);
            }
        }

        /** Appends bytes. @throws BatchException if they are too many, or the disk fails */
        public void write(byte[] from, int offset, int length) {
            if (bytes + length > options.maxFileBytes()) {
                throw new BatchException(
                        Kind.TOO_LARGE,
                        "file",
                        "the file is larger than the limit of " + options.maxFileBytes() + " bytes; send several",
                        null);
            }
            usage.take(tenant, length);
            bytes += length;
            try {
                Disk.writeAll(out, ByteBuffer.wrap(from, offset, length));
                disk.appended(part);
            } catch (IOException e) {
                throw full(e);
            }
        }

        /** The file is whole. @throws BatchException if the disk fails */
        public StoredFile commit(String filename, String purpose) {
            String shown = filename.replaceAll("\\p{Cntrl}", "_");
            StoredFile file = new StoredFile(
                    id,
                    tenant,
                    shown.length() <= MOST_NAME ? shown : shown.substring(0, MOST_NAME),
                    purpose,
                    bytes,
                    ids.moment());
            try {
                out.force(true);
                out.close();
                disk.move(part, content(id));
                disk.write(about(id), json.bytes(file));
            } catch (IOException e) {
                throw full(e);
            }
            files.put(id, file);
            done = true;
            return file;
        }

        @Override
        public void close() {
            if (done) {
                return;
            }
            usage.giveBack(tenant, bytes + Usage.PER_FILE);
            try {
                out.close();
                disk.delete(part);
                disk.delete(content(id));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
