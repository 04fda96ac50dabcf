package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;

/**
 * Moves bodies that are handed on while they come: the client is read as fast as the handler reads, and must send as fast as a slow line
 * does. Confined to the connection's event loop but for {@link #goOn}.
 */
final class Uploads {
    /** Bytes that a client must send in the time for a request, or be done: half a minute's worth of a slow modem. */
    private static final int LEAST = 64 << 10;

    private final ConnectionTimers timers;
    private long sinceTimer;

    Uploads(ConnectionTimers timers) {
        this.timers = timers;
    }

    /** @throws ApiException if the body is too large */
    void take(ChannelHandlerContext context, BodyStream stream, ByteBuf part) {
        sinceTimer += part.readableBytes();
        if (!stream.offer(part)) {
            // It is ours to be slow now.
            timers.requestEnds();
            context.channel().config().setAutoRead(false);
        } else if (sinceTimer >= LEAST) {
            sinceTimer = 0;
            timers.requestEnds();
            timers.requestBegins(context);
        }
    }

    /** The handler has read what there was. Any thread. */
    void goOn(ChannelHandlerContext context, Exchange exchange) {
        context.executor().execute(() -> {
            BodyStream stream = exchange.bodyStream();
            context.channel().config().setAutoRead(true);
            if (stream != null && !stream.isWhole() && !exchange.isOver()) {
                timers.requestEnds();
                timers.requestBegins(context);
            }
        });
    }
}
