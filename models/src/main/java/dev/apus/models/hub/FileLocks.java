package dev.apus.models.hub;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Locks named by files, between the threads of this process and between processes, so that nothing is fetched twice at once. The
 * operating system drops a lock when its process dies; the lock files themselves stay, as removing them would race.
 */
final class FileLocks {
    /** How soon a lock that another process gave up is noticed: no time beside a download, and hardly a system call. */
    private static final long POLL_MILLIS = 50;

    /** A lock that is held; {@link #close} gives it back. */
    interface Held extends AutoCloseable {
        @Override
        void close() throws IOException;
    }

    /**
     * Waits for the lock of {@code file}, which is made where it is missing.
     *
     * @throws InterruptedException if the thread is interrupted while it waits
     */
    Held acquire(Path file) throws IOException, InterruptedException {
        Path path = file.toAbsolutePath().normalize();
        Files.createDirectories(path.getParent());
        FileChannel channel = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            poll(channel);
            return channel::close;
        } catch (IOException | InterruptedException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** By polling: a blocking wait would fail at once against another thread of this JVM, and would pin its own. */
    private static void poll(FileChannel channel) throws IOException, InterruptedException {
        while (true) {
            try {
                FileLock lock = channel.tryLock();
                if (lock != null) {
                    return;
                }
            } catch (OverlappingFileLockException e) {
                // held by another thread of this JVM, which is waited for like another process
            }
            Thread.sleep(POLL_MILLIS);
        }
    }
}
