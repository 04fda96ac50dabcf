package dev.apus.server.auth;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The keys of now: those of the command line and those of a file, which is read again when it has changed. A file that cannot be read or
 * is wrong leaves the keys as they were and is told in the log, so that a slip locks nobody out and lets nobody in. Thread-safe.
 *
 * <p>The file's bytes are compared, not its time: a mounted secret is changed by links that watchers of files do not see. A change counts
 * when it was seen twice, because an editor may be half through writing it.
 */
// The look's future would only tell what look() has told already.
@SuppressWarnings("FutureReturnValueIgnored")
public final class KeyStore implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(KeyStore.class);

    /** Time for a look that has begun. */
    private static final Duration LAST_LOOK = Duration.ofSeconds(5);

    private final List<ApiKey> given;
    private final @Nullable Path file;
    private final @Nullable ScheduledExecutorService watcher;
    private volatile KeyRing ring;
    /** What the last look saw. */
    private byte[] seen = {};
    /** What {@link #ring} or {@link #complaint} was made of. */
    private byte[] taken = {};

    private String complaint = "";

    /**
     * Reads the file and looks for changes from then on.
     *
     * @throws IllegalArgumentException if the file cannot be read or is wrong, or a key is there twice
     */
    public KeyStore(SecurityOptions options) {
        given = options.keys();
        file = options.keysFile();
        if (file == null) {
            ring = new KeyRing(given, !given.isEmpty());
            watcher = null;
            return;
        }
        ring = ring(KeysText.read(file));
        watcher = Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().name("apus-keys").daemon(true).factory());
        long nanos = options.keysReload().toNanos();
        watcher.scheduleWithFixedDelay(this::look, nanos, nanos, TimeUnit.NANOSECONDS);
    }

    /** The keys of now. */
    public KeyRing ring() {
        return ring;
    }

    /** Looks once. Anything thrown would end the looking, unseen. */
    synchronized void look() {
        Path path = file;
        if (path == null) {
            return;
        }
        try {
            byte[] now = KeysText.bytes(path);
            boolean settled = Arrays.equals(now, seen);
            seen = now;
            if (!settled || Arrays.equals(now, taken)) {
                return;
            }
            taken = now;
            KeysFile read = KeysText.parse(now);
            ring = ring(read);
            complaint = "";
            LOG.info("{}: {} keys", path, read.entries().size());
        } catch (Throwable e) {
            String what = e instanceof IllegalArgumentException ? String.valueOf(e.getMessage()) : e.toString();
            if (!what.equals(complaint)) {
                complaint = what;
                LOG.error("{}: {}; the keys stay as they were", path, what);
            }
        }
    }

    private KeyRing ring(KeysFile read) {
        List<ApiKey> all = new ArrayList<>(given);
        all.addAll(read.keys());
        // A file without keys lets nobody in: the last key may have been revoked.
        return new KeyRing(all, true);
    }

    /** Looks for no more changes. */
    @Override
    public void close() {
        ScheduledExecutorService service = watcher;
        if (service == null) {
            return;
        }
        service.shutdownNow();
        try {
            if (!service.awaitTermination(LAST_LOOK.toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.warn("the file of keys is still being read");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
