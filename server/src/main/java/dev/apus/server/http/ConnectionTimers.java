package dev.apus.server.http;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.util.concurrent.ScheduledFuture;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The time limits of one connection: for sending a request, for doing nothing, and for not reading. Confined to the connection's event
 * loop.
 */
final class ConnectionTimers {
    /** Told on the event loop when a limit has passed. */
    interface Expiry {
        /** A request has begun and is not whole. */
        void readExpired(ChannelHandlerContext context);

        /** There was no request. */
        void idleExpired(ChannelHandlerContext context);

        /** There is something for the client, which takes nothing. */
        void stallExpired(ChannelHandlerContext context);
    }

    /** A place kept for those who watch the server must soon be free again. */
    private static final Duration WATCH_TIMEOUT = Duration.ofSeconds(2);

    private final Duration readTimeout;
    private final Duration idleTimeout;
    private final Duration stallTimeout;
    private final Expiry expiry;
    private @Nullable ScheduledFuture<?> read;
    private @Nullable ScheduledFuture<?> idle;
    private @Nullable ScheduledFuture<?> stall;
    /** What waited for the client when it was last looked at. */
    private long waitingBytes;

    ConnectionTimers(Duration readTimeout, Duration idleTimeout, Duration stallTimeout, Expiry expiry) {
        this.readTimeout = readTimeout;
        this.idleTimeout = idleTimeout;
        this.stallTimeout = stallTimeout;
        this.expiry = expiry;
    }

    /** The timers of a connection; short ones if it answers only those who watch the server. */
    static ConnectionTimers of(HttpOptions options, boolean watchOnly, Expiry expiry) {
        return new ConnectionTimers(
                watchOnly ? WATCH_TIMEOUT : options.readTimeout(),
                idleTimeout(options, watchOnly),
                options.stallTimeout(),
                expiry);
    }

    static Duration idleTimeout(HttpOptions options, boolean watchOnly) {
        return watchOnly ? WATCH_TIMEOUT : options.idleTimeout();
    }

    /** A request's first bytes have come; later ones change nothing. */
    void requestBegins(ChannelHandlerContext context) {
        if (read == null) {
            cancel(idle);
            read = schedule(context, readTimeout, () -> expiry.readExpired(context));
        }
    }

    /** The last byte of a request has come. */
    void requestEnds() {
        cancel(read);
        read = null;
    }

    /** Work begins: the connection is not idle. */
    void busy() {
        cancel(idle);
    }

    /** Nothing is left to do until the next request. */
    void idle(ChannelHandlerContext context) {
        cancel(idle);
        idle = schedule(context, idleTimeout, () -> expiry.idleExpired(context));
    }

    /** The client takes nothing more for now: it has the time of a stall for each part of what waits. */
    void stalls(ChannelHandlerContext context) {
        if (stall == null) {
            waitingBytes = Long.MAX_VALUE;
            // An answer is written in parts, of which this may be the first.
            context.executor().execute(() -> waitingBytes = waitingBytes(context.channel()));
            watch(context);
        }
    }

    private void watch(ChannelHandlerContext context) {
        stall = schedule(context, stallTimeout, () -> {
            stall = null;
            long left = waitingBytes(context.channel());
            if (left < waitingBytes) {
                waitingBytes = left;
                watch(context);
            } else {
                expiry.stallExpired(context);
            }
        });
    }

    /** Bytes written and not taken by the client. */
    private static long waitingBytes(Channel channel) {
        return channel.isWritable()
                ? channel.config().getWriteBufferHighWaterMark() - channel.bytesBeforeUnwritable()
                : channel.config().getWriteBufferLowWaterMark() + channel.bytesBeforeWritable();
    }

    /** The client has taken what there was. */
    void flows() {
        cancel(stall);
        stall = null;
    }

    /** The connection is closed. */
    void cancelAll() {
        cancel(read);
        cancel(idle);
        cancel(stall);
    }

    private static ScheduledFuture<?> schedule(ChannelHandlerContext context, Duration after, Runnable action) {
        return context.executor().schedule(action, after.toMillis(), TimeUnit.MILLISECONDS);
    }

    private static void cancel(@Nullable ScheduledFuture<?> timer) {
        if (timer != null) {
            timer.cancel(false);
        }
    }
}
