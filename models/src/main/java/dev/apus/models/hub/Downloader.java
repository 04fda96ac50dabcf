package dev.apus.models.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/**
 * Fetches files into a cache: several at once, resumed where an earlier run stopped, checked, and renamed into place only when they
 * are whole. A file that exists under its name is therefore always whole.
 */
final class Downloader {
    /** A file of which nobody tells the size is small or refused: without a size there is no end to a hostile body. */
    private static final long MAX_UNSIZED = 64L << 20;

    /** Bytes of a read: a few thousand system calls for a gigabyte, and with {@link HubOptions#connections} files a few MiB of heap. */
    private static final int BUFFER = 1 << 18;

    /** Pauses grow sixteenfold, to 8 seconds with the default first one: longer outages are for the user to wait out. */
    private static final int MAX_DOUBLINGS = 4;

    /** 4 TiB, twice the largest models there are: a listing that says more is wrong, and sums of sizes stay far from overflow. */
    private static final long MAX_SIZE = 1L << 42;

    private final HubHttp http;
    private final HubOptions options;
    private final FreeSpace space;
    private final FileLocks locks;
    private final ProgressListener progress;

    Downloader(HubHttp http, HubOptions options, FreeSpace space, FileLocks locks, ProgressListener progress) {
        this.http = http;
        this.options = options;
        this.space = space;
        this.locks = locks;
        this.progress = progress;
    }

    /**
     * Fetches all that are not there; the first failure breaks off the others, whose parts are kept.
     *
     * @throws HubException if a file cannot be had; nothing unverified lies under a final name
     */
    void fetch(List<Download> downloads) throws IOException, InterruptedException {
        requireSpace(downloads);
        ExecutorService pool = Executors.newFixedThreadPool(
                options.connections(),
                Thread.ofVirtual().name("apus-hub-download-", 0).factory());
        try {
            var done = new ExecutorCompletionService<Void>(pool);
            for (Download download : downloads) {
                done.submit(() -> {
                    fetch(download);
                    return null;
                });
            }
            for (int i = 0; i < downloads.size(); i++) {
                done.take().get();
            }
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case HubException hub -> throw new HubException(String.valueOf(hub.getMessage()), hub);
                case InterruptedException interrupted -> throw interrupted;
                case IOException io -> throw io;
                case null, default -> throw new IllegalStateException("a download failed unexpectedly", e.getCause());
            }
        } finally {
            pool.shutdownNow();
            pool.close();
        }
    }

    private void requireSpace(List<Download> downloads) throws IOException {
        Map<Path, Long> needed = new HashMap<>();
        for (Download d : downloads) {
            if (d.size() > MAX_SIZE) {
                throw new HubException(d.name() + " is announced with " + d.size() + " bytes, which no model file has");
            }
            if (!Files.exists(d.target())) {
                long missing = Math.max(0, d.size()) - (Files.exists(d.incomplete()) ? Files.size(d.incomplete()) : 0);
                needed.merge(d.folder(), Math.max(0, missing), Long::sum);
            }
        }
        long sum = needed.values().stream().mapToLong(Long::longValue).sum();
        for (Path folder : needed.keySet()) {
            Files.createDirectories(folder);
            space.require(folder, sum, "fetching " + downloads.size() + " files");
        }
    }

    private void fetch(Download d) throws IOException, InterruptedException {
        if (Files.exists(d.target())) {
            return;
        }
        try (FileLocks.Held _ = locks.acquire(d.lock())) {
            if (Files.exists(d.target())) {
                return; // another process was faster
            }
            Files.createDirectories(d.folder());
            boolean resumed = transferWithRetries(d);
            String fault = fault(d);
            if (fault != null && resumed) { // the old part may be at fault: once more, from the start
                discard(d);
                transferWithRetries(d);
                fault = fault(d);
            }
            if (fault != null) {
                discard(d);
                throw new HubException(d.name() + " from " + d.address() + " " + fault
                        + "; it was discarded: the hub or something between is at fault");
            }
            Files.move(d.incomplete(), d.target(), StandardCopyOption.ATOMIC_MOVE);
            Files.deleteIfExists(d.tag());
            progress.finished(d.name());
        }
    }

    private @Nullable String fault(Download d) throws IOException {
        long size = Files.size(d.incomplete());
        if (d.size() >= 0 && size != d.size()) {
            return "has " + size + " bytes, not the announced " + d.size();
        }
        Digest digest = d.digest();
        if (digest != null) {
            String found = digest.compute(d.incomplete());
            if (!found.equals(digest.hex())) {
                return "has the " + digest.kind() + " " + found + ", not the announced " + digest.hex();
            }
        }
        return null;
    }

    private static void discard(Download d) throws IOException {
        Files.deleteIfExists(d.incomplete());
        Files.deleteIfExists(d.tag());
    }

    /** @return whether the file began with what an earlier run left */
    private boolean transferWithRetries(Download d) throws IOException, InterruptedException {
        boolean resumed = Files.exists(d.incomplete());
        int failures = 0;
        while (true) {
            long before = present(d);
            try {
                transfer(d);
                return resumed;
            } catch (HubHttp.RangeRefused e) {
                if (!Files.exists(d.incomplete())) {
                    throw e;
                }
                discard(d);
            } catch (DiskException e) {
                throw e.asHubException(d, space);
            } catch (IOException e) {
                failures = present(d) > before ? 1 : failures + 1; // what goes on, however haltingly, is not given up
                if (failures > options.retries() || Thread.currentThread().isInterrupted()) {
                    throw new HubException(
                            d.name() + " from " + d.address() + " failed " + failures
                                    + " times without progress, at last with: " + reason(e),
                            e);
                }
                pause(e, failures, options);
            }
        }
    }

    /** Waits before another try: as long as the server asked, else longer each time. */
    static void pause(IOException e, int failures, HubOptions options) throws InterruptedException {
        Duration asked = e instanceof HubHttp.Transient t ? t.retryAfter() : null;
        Duration own = options.retryDelay().multipliedBy(1L << Math.min(failures - 1, MAX_DOUBLINGS));
        Thread.sleep(asked == null ? own : asked);
    }

    static String reason(IOException e) {
        return e.getMessage() == null ? e.toString() : e.getMessage();
    }

    private static long present(Download d) throws IOException {
        return Files.exists(d.incomplete()) ? Files.size(d.incomplete()) : 0;
    }

    /** One request, from where the unfinished file ends; returns when the body has ended as announced. */
    private void transfer(Download d) throws IOException, InterruptedException {
        long from = present(d);
        String tag = Files.exists(d.tag()) ? Files.readString(d.tag()) : null;
        boolean provable = d.digest() != null || tag != null;
        if (from > 0 && (!provable || (d.size() >= 0 && from > d.size()))) {
            discard(d); // nothing could tell whether the rest belongs to this beginning
            from = 0;
            tag = null;
        }
        if (from > 0 && from == d.size()) {
            progress.started(d.name(), d.size(), from);
            return; // a run was ended between the last byte and the check
        }
        Map<String, String> headers = new HashMap<>(Map.of("Accept-Encoding", "identity"));
        if (from > 0) {
            headers.put("Range", "bytes=" + from + "-");
            if (tag != null) {
                headers.put("If-Range", tag);
            }
        }
        try (HubHttp.Answer answer = http.send("GET", d.address(), headers)) {
            receive(d, answer, from);
        }
    }

    private void receive(Download d, HubHttp.Answer answer, long asked) throws IOException {
        long from = answer.status() == 206 ? asked : 0;
        long length = answer.headers().firstValueAsLong("content-length").orElse(-1);
        if (answer.status() == 206) {
            String range = String.valueOf(answer.header("content-range"));
            if (!range.startsWith("bytes " + asked + "-")) {
                discard(d);
                throw new IOException(
                        "the server answered with the range " + Names.quote(range) + ", not from " + asked);
            }
        }
        long total = d.size() >= 0 ? d.size() : length >= 0 ? from + length : -1;
        if (length >= 0 && from + length != total) {
            throw new HubException(d.name() + " from " + d.address() + " is sent with " + (from + length)
                    + " bytes, but listed with " + total + (looksHtml(answer) ? "; what came is a web page" : ""));
        }
        if (d.size() < 0 && d.digest() == null && looksHtml(answer)) {
            throw new HubException(d.address() + " answers with a web page in the place of " + d.name()
                    + "; a proxy or log-in page may stand between");
        }
        if (from == 0) {
            discard(d);
            String tag = answer.header("etag");
            if (tag != null && tag.startsWith("\"")) { // weak tags do not prove that bytes are the same
                Files.writeString(d.tag(), tag);
            }
        }
        progress.started(d.name(), total, from);
        long limit = total >= 0 ? total : MAX_UNSIZED;
        try (Watchdog watchdog = new Watchdog(answer.body(), options.readTimeout())) {
            copy(d, answer.body(), from, limit, watchdog);
        }
    }

    private static boolean looksHtml(HubHttp.Answer answer) {
        return String.valueOf(answer.header("content-type")).startsWith("text/html");
    }

    private void copy(Download d, InputStream in, long from, long limit, Watchdog watchdog) throws IOException {
        byte[] buffer = new byte[BUFFER];
        long at = from;
        try (FileChannel out = open(d)) {
            for (int n = watchdog.read(in, buffer); n >= 0; n = watchdog.read(in, buffer)) {
                if (at + n > limit) {
                    throw new HubException(
                            d.name() + " from " + d.address() + " goes on behind the " + limit + " bytes it may have");
                }
                write(out, ByteBuffer.wrap(buffer, 0, n));
                at += n;
                progress.advanced(d.name(), n);
            }
            out.force(true);
        }
        if (d.size() >= 0 && at < d.size()) {
            throw new IOException("the body ended after " + at + " of " + d.size() + " bytes");
        }
    }

    private static FileChannel open(Download d) throws DiskException {
        try {
            return FileChannel.open(
                    d.incomplete(), StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new DiskException(e);
        }
    }

    private static void write(FileChannel out, ByteBuffer bytes) throws DiskException {
        try {
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
        } catch (IOException e) {
            throw new DiskException(e);
        }
    }

    /** Our side failed, not the network: trying again at once would not help. */
    private static final class DiskException extends IOException {
        private static final long serialVersionUID = 1L;

        DiskException(IOException cause) {
            super(cause.getMessage(), cause);
        }

        HubException asHubException(Download d, FreeSpace space) throws IOException {
            long free = space.at(d.folder());
            long missing = Math.max(0, d.size() - present(d));
            return new HubException(
                    d.incomplete() + " cannot be written: " + getMessage() + "; " + Names.bytes(missing)
                            + " are missing, " + Names.bytes(free)
                            + " are free; what was fetched is kept and the next run goes on from there",
                    this);
        }
    }

    /** A small document, such as a listing, as a whole. */
    byte[] document(URI address, long maxBytes) throws IOException, InterruptedException {
        for (int failures = 1; ; failures++) {
            try (HubHttp.Answer answer = http.send("GET", address, Map.of("Accept", "application/json"));
                    Watchdog watchdog = new Watchdog(answer.body(), options.readTimeout())) {
                List<byte[]> parts = new ArrayList<>();
                byte[] buffer = new byte[1 << 16];
                long size = 0;
                for (int n = watchdog.read(answer.body(), buffer); n >= 0; n = watchdog.read(answer.body(), buffer)) {
                    size += n;
                    if (size > maxBytes) {
                        throw new HubException(address + " answers with more than " + maxBytes + " bytes, no listing");
                    }
                    parts.add(java.util.Arrays.copyOf(buffer, n));
                }
                ByteBuffer all = ByteBuffer.allocate((int) size);
                parts.forEach(all::put);
                return all.array();
            } catch (IOException e) {
                if (failures > options.retries()) {
                    throw new HubException(address + " failed " + failures + " times, at last with: " + reason(e), e);
                }
                pause(e, failures, options);
            }
        }
    }
}
