package dev.apus.models.hub;

/**
 * Hears how a fetch goes on. Several files move at once, so every method may be called from any thread, several at a time; it must
 * return quickly and not throw. A file that has to begin again (it changed, or the server would not resume) is announced a second
 * time by {@link #started}.
 */
public interface ProgressListener {
    /** A listener that ignores everything. */
    static ProgressListener none() {
        return new ProgressListener() {
            @Override
            public void started(String file, long totalBytes, long presentBytes) {}

            @Override
            public void advanced(String file, long bytes) {}

            @Override
            public void finished(String file) {}
        };
    }

    /**
     * A file is about to move.
     *
     * @param file the name that later calls repeat
     * @param totalBytes its whole size, or -1 where nobody announced it
     * @param presentBytes how many of them were fetched by an earlier run
     */
    void started(String file, long totalBytes, long presentBytes);

    /** {@code bytes} more of a file have arrived. */
    void advanced(String file, long bytes);

    /** A file is complete, verified and in its place. */
    void finished(String file);
}
