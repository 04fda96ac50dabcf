package dev.apus.kernels.cuda;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compiled kernels on disk: {@code <key>-<compiler version>.cubin}, where the key is a hash of all that was compiled and how.
 *
 * <p>Any number of threads and processes may share the folder: an entry is written under a name of its own and renamed when complete,
 * and ends with a hash of its bytes, so that one that a full disk or a crash has cut short is seen and made again. A folder that cannot
 * be written costs a warning and the compilations of every start, nothing else.
 */
final class CubinCache {
    private static final Logger LOG = LoggerFactory.getLogger(CubinCache.class);

    /** Follows the machine code, which is an ELF file and may be followed by anything; then come the 32 bytes of its SHA-256. */
    private static final byte[] MARK = "APUSCUB1".getBytes(StandardCharsets.US_ASCII);

    private static final int HASH_BYTES = 32;
    private static final String SUFFIX = ".cubin";

    private final Path folder;
    private final AtomicBoolean warned = new AtomicBoolean();

    /** @param folder made when the first entry is written */
    CubinCache(Path folder) {
        this.folder = folder;
    }

    static byte[] sha256(byte[] bytes, int length) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(bytes, 0, length);
            return digest.digest();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /** The entry, or null if there is none that is whole. */
    byte @Nullable [] get(String key, String version) {
        return read(file(key, version));
    }

    /** The entry of any compiler version, the newest file first; for machines that have no compiler. */
    byte @Nullable [] getAny(String key) {
        byte[] best = null;
        long newest = Long.MIN_VALUE;
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, key + "-*" + SUFFIX)) {
            for (Path file : files) {
                long time = Files.getLastModifiedTime(file).toMillis();
                byte[] read = time > newest ? read(file) : null;
                if (read != null) {
                    best = read;
                    newest = time;
                }
            }
        } catch (IOException e) {
            LOG.debug("no compiled kernels in {}: {}", folder, e.toString());
        }
        return best;
    }

    /** Whether there is any entry at all. */
    boolean isEmpty() {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*" + SUFFIX)) {
            return !files.iterator().hasNext();
        } catch (IOException e) {
            return true; // no folder, no entries
        }
    }

    private Path file(String key, String version) {
        return folder.resolve(key + "-" + version + SUFFIX);
    }

    private byte @Nullable [] read(Path file) {
        byte[] bytes;
        try {
            bytes = Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            return null;
        } catch (IOException e) {
            LOG.warn("the compiled kernel {} cannot be read and is made again: {}", file, e.toString());
            return null;
        }
        int length = bytes.length - MARK.length - HASH_BYTES;
        if (length > 0
                && Arrays.equals(bytes, length, length + MARK.length, MARK, 0, MARK.length)
                && Arrays.equals(
                        bytes, bytes.length - HASH_BYTES, bytes.length, sha256(bytes, length), 0, HASH_BYTES)) {
            return Arrays.copyOf(bytes, length);
        }
        LOG.warn("the compiled kernel {} is damaged and is made again", file);
        return null;
    }

    /** Keeps an entry; a folder that cannot be written is reported once and otherwise ignored. */
    void put(String key, String version, byte[] cubin) {
        Path temporary = null;
        try {
            Files.createDirectories(folder);
            temporary = Files.createTempFile(folder, key, ".part");
            byte[] all = Arrays.copyOf(cubin, cubin.length + MARK.length + HASH_BYTES);
            System.arraycopy(MARK, 0, all, cubin.length, MARK.length);
            System.arraycopy(sha256(cubin, cubin.length), 0, all, cubin.length + MARK.length, HASH_BYTES);
            Files.write(temporary, all);
            move(temporary, file(key, version));
            temporary = null;
        } catch (IOException e) {
            if (warned.compareAndSet(false, true)) {
                LOG.warn(
                        "compiled kernels cannot be kept in {} and are compiled at every start: {}; APUS_CACHE names another folder",
                        folder,
                        e.toString());
            }
        } finally {
            delete(temporary);
        }
    }

    private static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            // The hash at its end makes a half-moved entry harmless.
            Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static void delete(@Nullable Path temporary) {
        if (temporary == null) {
            return;
        }
        try {
            Files.deleteIfExists(temporary);
        } catch (IOException e) {
            LOG.debug("{} stays behind: {}", temporary, e.toString());
        }
    }
}
