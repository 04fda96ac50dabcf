package dev.apus.server.grpc;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Watches whether a client takes what waits for it in a stream, however slowly: if nothing has left for the whole time, it has stalled.
 * Confined to the stream's event loop.
 */
final class StallTimer {
    private final EventExecutor loop;
    private final Duration limit;
    private final Runnable stalled;
    private @Nullable Future<?> timer;
    private boolean progress;

    /** @param stalled runs if nothing has left for the limit */
    StallTimer(EventExecutor loop, Duration limit, Runnable stalled) {
        this.loop = loop;
        this.limit = limit;
        this.stalled = stalled;
    }

    /** Something waits for the client; unless it was so before, the time begins. */
    void start() {
        if (timer == null) {
            progress = false;
            timer = loop.schedule(this::expired, limit.toNanos(), TimeUnit.NANOSECONDS);
        }
    }

    /** The client has taken something. */
    void progress() {
        progress = true;
    }

    /** The client has taken what there was, or nobody waits for it any more. */
    void stop() {
        Future<?> running = timer;
        if (running != null) {
            running.cancel(false);
            timer = null;
        }
    }

    private void expired() {
        timer = null;
        if (progress) {
            start();
        } else {
            stalled.run();
        }
    }
}
