package dev.apus.models.hub;

import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Closes a body that stands still or drips: the HTTP client bounds only the time to the headers. One thread a body, which ends with
 * it.
 */
final class Watchdog implements AutoCloseable {
    /** Below this a transfer would take days; a live one, however slow its line, is above. */
    private static final long MIN_BYTES_PER_SECOND = 256;

    private final InputStream body;
    private final Duration window;
    private final AtomicLong received = new AtomicLong();
    private final Thread thread;
    private volatile boolean broken;

    Watchdog(InputStream body, Duration window) {
        this.body = body;
        this.window = window;
        this.thread = Thread.ofVirtual().name("apus-hub-watchdog").start(this::watch);
    }

    /** Reads and counts. @throws HubHttp.Transient if the body was closed for being too slow */
    int read(InputStream in, byte[] buffer) throws IOException {
        int n;
        try {
            n = in.read(buffer);
        } catch (IOException e) {
            throw broken ? tooSlow() : e;
        }
        if (broken) {
            throw tooSlow();
        }
        received.addAndGet(Math.max(0, n));
        return n;
    }

    private HubHttp.Transient tooSlow() {
        return new HubHttp.Transient(
                "the body stood still or came slower than " + MIN_BYTES_PER_SECOND + " bytes a second for "
                        + window.toMillis() + " ms",
                null);
    }

    private void watch() {
        long least = Math.max(1, MIN_BYTES_PER_SECOND * window.toMillis() / 1000);
        try {
            while (true) {
                long before = received.get();
                Thread.sleep(window);
                if (received.get() - before < least) {
                    broken = true;
                    body.close();
                    return;
                }
            }
        } catch (InterruptedException e) {
            return; // the body has ended
        } catch (IOException e) {
            broken = true; // it could not be closed, and the reader hears of it at its next read
        }
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
