package dev.apus.loaders;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;

/**
 * One checkpoint file mapped read-only as a whole; any thread may read it until {@link #close}.
 *
 * <p>A file that another process shortens while it is mapped makes reads fail with the JVM's {@link InternalError}: replace
 * checkpoints by renaming, never in place.
 */
final class MappedFile implements AutoCloseable {
    private static final String LFS_POINTER = "version https://git-lfs";

    private final Path path;
    private final Arena arena;
    private final MemorySegment bytes;
    private final AtomicBoolean closed = new AtomicBoolean();

    private MappedFile(Path path, Arena arena, MemorySegment bytes) {
        this.path = path;
        this.arena = arena;
        this.bytes = bytes;
    }

    /**
     * Maps {@code path}.
     *
     * @throws CheckpointException if it is missing, no regular file, unreadable, empty, or a Git LFS pointer in a checkpoint's place
     */
    static MappedFile open(Path path) {
        if (Files.isDirectory(path)) {
            throw new CheckpointException(path + " is a folder; a file is expected");
        }
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            long size = channel.size();
            if (size == 0) {
                throw new CheckpointException(path + " is empty");
            }
            MemorySegment bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
            refuseLfsPointer(path, bytes);
            return new MappedFile(path, arena, bytes);
        } catch (NoSuchFileException e) {
            arena.close();
            throw new CheckpointException(path + " does not exist", e);
        } catch (IOException | UnsupportedOperationException e) {
            arena.close();
            throw new CheckpointException(path + " cannot be read: " + e.getMessage(), e);
        } catch (RuntimeException | Error e) {
            arena.close();
            throw e;
        }
    }

    /**
     * What {@code reader} makes of the mapped file, which it may keep; whatever it throws, the file is closed then.
     *
     * @throws CheckpointException as {@link #open(Path)} does
     */
    static <T> T open(Path path, Function<MappedFile, T> reader) {
        MappedFile file = open(path);
        try {
            return reader.apply(file);
        } catch (RuntimeException | Error e) {
            file.close();
            throw e;
        }
    }

    private static void refuseLfsPointer(Path path, MemorySegment bytes) {
        byte[] start = bytes.asSlice(0, Math.min(bytes.byteSize(), LFS_POINTER.length()))
                .toArray(ValueLayout.JAVA_BYTE);
        if (new String(start, StandardCharsets.ISO_8859_1).equals(LFS_POINTER)) {
            throw new CheckpointException(
                    path + " is a Git LFS pointer, not the checkpoint itself; fetch the content with 'git lfs pull'");
        }
    }

    Path path() {
        return path;
    }

    long size() {
        return bytes.byteSize();
    }

    /** The whole file; reading it after {@link #close} throws {@link IllegalStateException}. */
    MemorySegment bytes() {
        return bytes;
    }

    /** Native memory that lives as long as the mapping. */
    MemorySegment allocate(long byteSize, long alignment) {
        return arena.allocate(byteSize, alignment);
    }

    /** @throws IllegalStateException if the file is closed */
    void checkOpen() {
        if (closed.get()) {
            throw new IllegalStateException("checkpoint " + path + " is closed: its tensors cannot be read any more");
        }
    }

    /** Unmaps the file; segments taken from it throw {@link IllegalStateException} from then on. A second call does nothing. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            arena.close();
        }
    }
}
