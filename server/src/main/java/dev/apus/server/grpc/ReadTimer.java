package dev.apus.server.grpc;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The time that a client has for a message once it has begun, and for the first one of a method that takes only one. Time in which the
 * server itself does not read is not the client's. Confined to the stream's event loop.
 */
final class ReadTimer {
    private final EventExecutor loop;
    private final Duration limit;
    private final Runnable late;
    private @Nullable Future<?> timer;
    private boolean heldBack;

    /** @param late runs if the time is up */
    ReadTimer(EventExecutor loop, Duration limit, Runnable late) {
        this.loop = loop;
        this.limit = limit;
        this.late = late;
    }

    /** The server waits for the client; unless it does already, the time begins. */
    void start() {
        if (timer == null) {
            timer = loop.schedule(this::expired, limit.toNanos(), TimeUnit.NANOSECONDS);
        }
    }

    /** The same, but the server does not read for now: the time begins when it does. */
    void startHeldBack() {
        heldBack = timer == null;
    }

    /** What was waited for has come. */
    void stop() {
        heldBack = false;
        Future<?> running = timer;
        if (running != null) {
            running.cancel(false);
            timer = null;
        }
    }

    /** Whether the server reads what the client sends. */
    void reads(boolean on) {
        if (!on && timer != null) {
            stop();
            heldBack = true;
        } else if (on && heldBack) {
            heldBack = false;
            start();
        }
    }

    private void expired() {
        timer = null;
        late.run();
    }
}
