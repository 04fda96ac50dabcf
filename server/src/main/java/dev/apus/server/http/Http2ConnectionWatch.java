package dev.apus.server.http;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.codec.http2.DefaultHttp2GoAwayFrame;
import io.netty.handler.codec.http2.DefaultHttp2SettingsFrame;
import io.netty.handler.codec.http2.Http2ConnectionAdapter;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Exception;
import io.netty.handler.codec.http2.Http2FrameCodec;
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.handler.codec.http2.Http2Stream;
import io.netty.util.ReferenceCountUtil;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What concerns an HTTP/2 connection as a whole and none of its streams: it ends when it has had no stream for a while, when its client
 * reads nothing, and when the server stops, then in peace: the client is told to open no more streams, and those that are open end first.
 * The last handler of the connection. Runs on its event loop.
 */
// Netty futures: a failed write or close ends the channel, which is what is wanted.
@SuppressWarnings("FutureReturnValueIgnored")
final class Http2ConnectionWatch extends ChannelInboundHandlerAdapter implements ConnectionTimers.Expiry {
    private static final Logger LOG = LoggerFactory.getLogger(Http2ConnectionWatch.class);

    /** What a client takes to hear that it must open no more streams; those that it opens meanwhile are answered. */
    private static final Duration GRACE = Duration.ofSeconds(1);

    private final Http2FrameCodec codec;
    private final Dispatcher dispatcher;
    private final ConnectionTimers timers;
    /** Whether fewer streams are allowed than to clients that have shown a key. */
    private boolean stranger;

    private boolean draining;
    private boolean graceOver;

    /** @param idleTimeout how long there may be no stream */
    Http2ConnectionWatch(Http2FrameCodec codec, Dispatcher dispatcher, Duration idleTimeout) {
        this.codec = codec;
        this.dispatcher = dispatcher;
        HttpOptions options = dispatcher.options();
        stranger = codec.connection().remote().maxActiveStreams() < options.h2MaxConcurrentStreams();
        timers = new ConnectionTimers(options.readTimeout(), idleTimeout, options.stallTimeout(), this);
    }

    @Override
    public void handlerAdded(ChannelHandlerContext context) {
        codec.connection().addListener(new Http2ConnectionAdapter() {
            @Override
            public void onStreamActive(Http2Stream stream) {
                timers.busy();
            }

            @Override
            public void onStreamClosed(Http2Stream stream) {
                if (codec.connection().numActiveStreams() == 0
                        && context.channel().isActive()) {
                    lastStreamClosed(context);
                }
            }
        });
        timers.idle(context);
        if (dispatcher.isDraining()) {
            drain(context);
        }
    }

    private void lastStreamClosed(ChannelHandlerContext context) {
        if (!draining) {
            timers.idle(context);
        } else if (graceOver) {
            // Not now: the stream's last frame is being written.
            context.executor().execute(() -> endIfUnused(context));
        }
    }

    private void drain(ChannelHandlerContext context) {
        if (draining) {
            return;
        }
        draining = true;
        timers.busy();
        context.writeAndFlush(new DefaultHttp2GoAwayFrame(Http2Error.NO_ERROR).setExtraStreamIds(Integer.MAX_VALUE));
        context.executor()
                .schedule(
                        () -> {
                            graceOver = true;
                            endIfUnused(context);
                        },
                        GRACE.toMillis(),
                        TimeUnit.MILLISECONDS);
    }

    private void welcome(ChannelHandlerContext context) {
        if (stranger) {
            stranger = false;
            int streams = dispatcher.options().h2MaxConcurrentStreams();
            codec.connection().remote().maxActiveStreams(streams);
            context.writeAndFlush(new DefaultHttp2SettingsFrame(new Http2Settings().maxConcurrentStreams(streams)));
        }
    }

    private void endIfUnused(ChannelHandlerContext context) {
        if (codec.connection().numActiveStreams() == 0 && context.channel().isActive()) {
            context.writeAndFlush(new DefaultHttp2GoAwayFrame(Http2Error.NO_ERROR));
            context.close();
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        // Settings, pings and the like, which the codec has answered.
        ReferenceCountUtil.release(message);
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
        if (event instanceof Protocols.Drain) {
            drain(context);
        } else if (event instanceof Protocols.Authorised) {
            welcome(context);
        } else if (event instanceof ChannelInputShutdownEvent) {
            closeNow(context);
        } else {
            context.fireUserEventTriggered(event);
        }
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext context) {
        if (context.channel().isWritable()) {
            timers.flows();
        } else {
            timers.stalls(context);
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        timers.cancelAll();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        if (cause instanceof Http2Exception) {
            // The codec has told the client, and closes.
            LOG.debug("{} broke the protocol: {}", context.channel().remoteAddress(), cause.toString());
            return;
        }
        if (cause instanceof IOException || cause.getCause() instanceof IOException) {
            LOG.debug("connection from {} failed: {}", context.channel().remoteAddress(), cause.toString());
        } else {
            LOG.error("connection from {} failed", context.channel().remoteAddress(), cause);
        }
        closeNow(context);
    }

    /** Without waiting for streams. */
    private void closeNow(ChannelHandlerContext context) {
        ChannelHandlerContext before = context.pipeline().context(codec);
        if (before != null) {
            before.close();
        }
    }

    @Override
    public void readExpired(ChannelHandlerContext context) {
        // Never asked for: requests are the streams' matter.
    }

    @Override
    public void idleExpired(ChannelHandlerContext context) {
        context.close();
    }

    @Override
    public void stallExpired(ChannelHandlerContext context) {
        LOG.info(
                "{} has read nothing for {} ms; its connection is closed",
                context.channel().remoteAddress(),
                dispatcher.options().stallTimeout().toMillis());
        closeNow(context);
    }
}
