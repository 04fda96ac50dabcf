package dev.apus.server.batch;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Changes of files that are whole at any time: after a crash of the process or the machine each has happened or has not. Thread-safe.
 */
final class Disk {
    private static final Set<PosixFilePermission> OWNER_ONLY = PosixFilePermissions.fromString("rwx------");

    private final Consumer<Path> changed;

    /** @param changed told of each change after it has happened, for tests that end the server there */
    Disk(Consumer<Path> changed) {
        this.changed = changed;
    }

    Disk() {
        this(path -> {});
    }

    /** Makes a folder that its owner alone may look into: what is in it are tenants' texts. */
    void makeFolder(Path folder) throws IOException {
        if (Files.isDirectory(folder)) {
            return;
        }
        Files.createDirectories(folder);
        if (Files.getFileStore(folder).supportsFileAttributeView("posix")) {
            Files.setPosixFilePermissions(folder, OWNER_ONLY);
        }
    }

    /** Replaces a file's content. */
    void write(Path file, byte[] content) throws IOException {
        Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
        try (FileChannel out = FileChannel.open(
                temporary, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            writeAll(out, ByteBuffer.wrap(content));
            out.force(true);
        }
        changed.accept(temporary);
        move(temporary, file);
    }

    /** Gives a file another name on the same disk, in place of one that has it. */
    void move(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        forceFolder(Objects.requireNonNull(to.getParent()));
        changed.accept(to);
    }

    /** Removes a file if it is there. */
    void delete(Path file) throws IOException {
        if (Files.deleteIfExists(file)) {
            changed.accept(file);
        }
    }

    /** Writes all bytes where the channel stands. */
    static void writeAll(FileChannel out, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }

    /** Something was appended to a file. */
    void appended(Path file) {
        changed.accept(file);
    }

    private static void forceFolder(Path folder) throws IOException {
        // A folder can be forced where it can be opened: on every system that Apus runs on.
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }
}
