package dev.apus.models.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** How many bytes a folder's file system still takes; an interface so that tests can have a full disk. */
@FunctionalInterface
interface FreeSpace {
    /** Usable bytes at {@code folder}, which exists. */
    long at(Path folder) throws IOException;

    /** What the operating system says. */
    static FreeSpace ofFileSystem() {
        return folder -> Files.getFileStore(folder).getUsableSpace();
    }

    /**
     * Refuses to start what cannot end.
     *
     * @throws HubException if fewer than {@code needed} bytes are free
     */
    default void require(Path folder, long needed, String what) throws IOException {
        long free = at(folder);
        // 0 for a file system that does not say (some FUSE mounts): then the write itself will tell
        if (free > 0 && free < needed) {
            throw new HubException(what + " needs " + Names.bytes(needed) + " at " + folder + ", where "
                    + Names.bytes(free) + " are free; free some space or set another cache folder");
        }
    }
}
