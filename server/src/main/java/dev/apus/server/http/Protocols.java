package dev.apus.server.http;

import dev.apus.server.tls.TlsCertificates;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http2.DefaultHttp2ResetFrame;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2FrameCodec;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.handler.flush.FlushConsolidationHandler;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.ReferenceCountUtil;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Sets up the handlers of a connection for the protocol that its client speaks. Thread-safe. */
final class Protocols {
    /** Fired through the pipelines of all connections when the server begins to stop. */
    enum Drain {
        BEGUN
    }

    /** Fired through an HTTP/2 connection's pipeline when a request on it had a right to be answered. */
    enum Authorised {
        ONCE
    }

    /** Paths are short here; RFC 9112 recommends that 8000 bytes be taken. */
    private static final int MOST_REQUEST_LINE = 8192;
    /** Parts in which a body is handed on: what a socket's read brings at most. */
    private static final int CHUNK = 64 << 10;
    /** Bytes of a body that may be on their way: more than fits into a network's round trip would wait for nothing. */
    private static final int STREAM_WINDOW = 256 << 10;
    /** A stream counts as full at the second and as free again at the first: some fifty tokens. A connection may have many streams. */
    private static final WriteBufferWaterMark STREAM_MARK = new WriteBufferWaterMark(8 << 10, 16 << 10);
    /**
     * Streams that a client may reset, or make this server reset, in the time of {@link #RESET_SECONDS}: CVE-2023-44487, CVE-2025-8671. As many
     * as a client may have open: it may give all of them up.
     */
    private static final int MOST_RESETS = 1024;

    private static final int RESET_SECONDS = 30;
    /** Small parts of a header block that are no ordinary client's: CVE-2024-27316. */
    private static final int MOST_SMALL_CONTINUATIONS = 16;
    /** Answers to pings, settings and resets that a client does not read. */
    private static final int MOST_CONTROL_FRAMES = 1000;
    /** Data frames without data, one after another: CVE-2019-9518. */
    private static final int MOST_EMPTY_FRAMES = 2;
    /** How long a connection that ends waits for its streams; longer than the last chunks of aborted answers take. */
    private static final Duration LAST_STREAMS = Duration.ofSeconds(1);
    /** What a TLS handshake over a slow network takes. */
    private static final Duration MOST_HANDSHAKE = Duration.ofSeconds(10);
    /** Streams of a client that has not shown a key yet, where one is needed. */
    private static final int MOST_STREAMS_OF_STRANGERS = 32;
    /** Writes of a connection's streams that share one flush. */
    private static final int MOST_WRITES = 256;

    private final Dispatcher dispatcher;
    private final @Nullable Supplier<ChannelHandler> grpc;
    private final @Nullable TlsCertificates tls;
    private final Executor workers;

    /**
     * @param grpc makes the handler of a stream of gRPC; null if there is none
     * @param tls for all connections; null without TLS
     * @param workers take the arithmetic of TLS handshakes off the event loops
     */
    Protocols(
            Dispatcher dispatcher,
            @Nullable Supplier<ChannelHandler> grpc,
            @Nullable TlsCertificates tls,
            Executor workers) {
        this.dispatcher = dispatcher;
        this.grpc = grpc;
        this.tls = tls;
        this.workers = workers;
    }

    /**
     * Sets up a new connection.
     *
     * @param watchOnly whether it answers only those who watch the server: the others' places are taken
     */
    void begin(Channel channel, boolean watchOnly) {
        if (tls != null) {
            SslHandler handler = tls.current().newHandler(channel.alloc(), workers);
            handler.setHandshakeTimeoutMillis(Math.min(
                    MOST_HANDSHAKE.toMillis(),
                    dispatcher.options().readTimeout().toMillis()));
            channel.pipeline().addLast(new PlainHttpGuard(), handler, new AlpnChooser(this, watchOnly));
            return;
        }
        channel.pipeline().addLast(new PrefaceChooser(this, dispatcher.options(), watchOnly));
    }

    /** @param upgrade whether the first request may ask for HTTP/2 */
    void http1(Channel channel, boolean watchOnly, boolean upgrade) {
        HttpDecoderConfig config = new HttpDecoderConfig()
                .setMaxInitialLineLength(MOST_REQUEST_LINE)
                .setMaxHeaderSize(dispatcher.options().maxHeaderBytes())
                .setMaxChunkSize(CHUNK)
                // Requests that two servers could read differently are refused: both lengths, two lengths, bare line
                // feeds.
                .setAllowDuplicateContentLengths(false)
                .setStrictLineParsing(true)
                .setUseRfc9112TransferEncoding(true);
        ConnectionHandler handler = new ConnectionHandler(dispatcher, watchOnly);
        ByteWatch watch = new ByteWatch(handler);
        HttpRequestDecoder decoder = new StrictRequestDecoder(config);
        channel.pipeline().addLast(watch, decoder);
        if (upgrade) {
            channel.pipeline().addLast(H2cUpgrade.handlers(this, dispatcher, watch, decoder, handler));
        }
        channel.pipeline().addLast(handler);
    }

    void http2(Channel channel, boolean watchOnly) {
        Http2FrameCodec codec = codec();
        channel.pipeline().addLast(flushes(channel), codec).addLast(streams(codec, watchOnly));
    }

    /** What comes before the codec: streams that write at the same time, as after a step of the engine, are flushed together. */
    ChannelHandler flushes(Channel channel) {
        // A client that ends its side has gone: HTTP/2 has no use for one side of a connection.
        channel.config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, false);
        return new FlushConsolidationHandler(MOST_WRITES, true);
    }

    Http2FrameCodec codec() {
        HttpOptions options = dispatcher.options();
        int streams = dispatcher.needsKeys()
                ? Math.min(options.h2MaxConcurrentStreams(), MOST_STREAMS_OF_STRANGERS)
                : options.h2MaxConcurrentStreams();
        Http2FrameCodec codec = Http2FrameCodecBuilder.forServer()
                .initialSettings(Http2Settings.defaultSettings()
                        .maxConcurrentStreams(streams)
                        .maxHeaderListSize(options.maxHeaderBytes())
                        .initialWindowSize(STREAM_WINDOW))
                .decoderEnforceMaxRstFramesPerWindow(MOST_RESETS, RESET_SECONDS)
                .encoderEnforceMaxRstFramesPerWindow(MOST_RESETS, RESET_SECONDS)
                .decoderEnforceMaxSmallContinuationFrames(MOST_SMALL_CONTINUATIONS)
                .decoderEnforceMaxConsecutiveEmptyDataFrames(MOST_EMPTY_FRAMES)
                .encoderEnforceMaxQueuedControlFrames(MOST_CONTROL_FRAMES)
                .gracefulShutdownTimeoutMillis(LAST_STREAMS.toMillis())
                .build();
        // A client that never acknowledges the settings is held to them, too.
        codec.connection().remote().maxActiveStreams(streams);
        return codec;
    }

    /** What comes after the codec. */
    ChannelHandler[] streams(Http2FrameCodec codec, boolean watchOnly) {
        Duration idle = ConnectionTimers.idleTimeout(dispatcher.options(), watchOnly);
        return new ChannelHandler[] {
            new Http2MultiplexHandler(new Streams(codec, watchOnly)), new Http2ConnectionWatch(codec, dispatcher, idle)
        };
    }

    /** Sets up the streams of a connection. */
    @ChannelHandler.Sharable
    private final class Streams extends ChannelInitializer<Channel> {
        private final Http2FrameCodec codec;
        private final boolean watchOnly;
        private final ConnectionMemory memory = new ConnectionMemory(dispatcher.memory());

        Streams(Http2FrameCodec codec, boolean watchOnly) {
            this.codec = codec;
            this.watchOnly = watchOnly;
        }

        @Override
        protected void initChannel(Channel stream) {
            stream.config().setWriteBufferWaterMark(STREAM_MARK);
            boolean admitted = memory.admit(stream, codec.connection().numActiveStreams());
            stream.pipeline()
                    .addLast(admitted ? new Http2StreamHandler(dispatcher, watchOnly, grpc) : new RefusedStream());
        }
    }

    /** Tells the client that nothing was done with its request, so that it may send it again. */
    // Netty futures: a failed write or close ends the stream.
    @SuppressWarnings("FutureReturnValueIgnored")
    private static final class RefusedStream extends ChannelInboundHandlerAdapter {
        private boolean told;

        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            ReferenceCountUtil.release(message);
            if (!told) {
                told = true;
                context.writeAndFlush(new DefaultHttp2ResetFrame(Http2Error.REFUSED_STREAM));
                context.close();
            }
        }
    }

    /** Tells the connection of bytes before they are decoded, so that half a request has its time limit too. */
    private static final class ByteWatch extends ChannelInboundHandlerAdapter {
        private final ConnectionHandler handler;

        ByteWatch(ConnectionHandler handler) {
            this.handler = handler;
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            handler.bytesRead(context);
            context.fireChannelRead(message);
        }
    }
}
