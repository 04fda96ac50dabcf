package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.handler.codec.http.DefaultHttpHeadersFactory;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpServerUpgradeHandler;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http2.Http2CodecUtil;
import io.netty.handler.codec.http2.Http2FrameCodec;
import io.netty.handler.codec.http2.Http2ServerUpgradeCodec;
import io.netty.util.AsciiString;
import io.netty.util.ReferenceCountUtil;
import java.util.Collection;
import java.util.List;

/**
 * The change from HTTP/1.1 to HTTP/2 that a client may ask for with the first request of a connection (RFC 7540, 3.2; Java's HttpClient does).
 * A request that is not for this server, comes while it stops, or has a longer body than is worth keeping for the change is answered in
 * HTTP/1.1, as the protocol allows.
 */
final class H2cUpgrade {
    /** Bytes of a body that is kept until the protocol is changed. */
    private static final int MOST_BODY = 64 << 10;

    private H2cUpgrade() {}

    /**
     * The handlers that come between the decoder and the connection's handler; they leave the pipeline after the first request.
     *
     * @param http1 the other handlers of HTTP/1.1, which leave when the protocol is changed
     */
    static ChannelHandler[] handlers(Protocols protocols, Dispatcher dispatcher, ChannelHandler... http1) {
        SwitchingWriter writer = new SwitchingWriter();
        HttpServerUpgradeHandler.UpgradeCodecFactory factory = protocol -> {
            if (!AsciiString.contentEquals(Http2CodecUtil.HTTP_UPGRADE_PROTOCOL_NAME, protocol)) {
                return null;
            }
            return new Codec(protocols, writer, http1);
        };
        return new ChannelHandler[] {
            writer,
            new HttpServerUpgradeHandler(
                    context -> {
                        // The handlers of HTTP/1.1 go when those of HTTP/2 are there: bytes may have come for them
                        // already.
                    },
                    factory,
                    MOST_BODY,
                    DefaultHttpHeadersFactory.headersFactory(),
                    DefaultHttpHeadersFactory.trailersFactory(),
                    true) {
                @Override
                protected boolean shouldHandleUpgradeRequest(HttpRequest request) {
                    return isFit(dispatcher, request);
                }
            }
        };
    }

    private static boolean isFit(Dispatcher dispatcher, HttpRequest request) {
        HttpHeaders headers = request.headers();
        if (request.decoderResult().isFailure()
                || !headers.contains(HttpHeaderNames.UPGRADE, Http2CodecUtil.HTTP_UPGRADE_PROTOCOL_NAME, true)
                || headers.contains(HttpHeaderNames.EXPECT)
                || HttpUtil.isTransferEncodingChunked(request)
                || HttpUtil.getContentLength(request, 0L) > MOST_BODY
                || !request.uri().startsWith("/")
                || dispatcher.isDraining()) {
            return false;
        }
        try {
            dispatcher.checkHead(request);
            return true;
        } catch (ApiException e) {
            // It is answered so by the handler of HTTP/1.1.
            return false;
        }
    }

    /** Puts the handlers of HTTP/2 into the place of those of HTTP/1.1. */
    private static final class Codec implements HttpServerUpgradeHandler.UpgradeCodec {
        private final Protocols protocols;
        private final ChannelHandler writer;
        private final ChannelHandler[] http1;
        private final Http2ServerUpgradeCodec codec;

        Codec(Protocols protocols, ChannelHandler writer, ChannelHandler[] http1) {
            this.protocols = protocols;
            this.writer = writer;
            this.http1 = http1;
            Http2FrameCodec frames = protocols.codec();
            codec = new Http2ServerUpgradeCodec(frames, protocols.streams(frames, false));
        }

        @Override
        public Collection<CharSequence> requiredUpgradeHeaders() {
            return codec.requiredUpgradeHeaders();
        }

        @Override
        public boolean prepareUpgradeResponse(
                ChannelHandlerContext context, FullHttpRequest request, HttpHeaders answer) {
            return codec.prepareUpgradeResponse(context, request, answer);
        }

        @Override
        public void upgradeTo(ChannelHandlerContext context, FullHttpRequest request) {
            // These are about the connection alone, and HTTP/2 forbids them.
            List.of(HttpHeaderNames.CONNECTION, HttpHeaderNames.UPGRADE, Http2CodecUtil.HTTP_UPGRADE_SETTINGS_HEADER)
                    .forEach(request.headers()::remove);
            context.pipeline().addFirst(protocols.flushes(context.channel()));
            codec.upgradeTo(context, request);
            for (ChannelHandler handler : http1) {
                context.pipeline().remove(handler);
            }
            context.pipeline().remove(writer);
        }
    }

    /** Writes the answer that announces the change; all other answers are bytes already. */
    // Netty futures: the promise is the caller's.
    @SuppressWarnings("FutureReturnValueIgnored")
    private static final class SwitchingWriter extends ChannelOutboundHandlerAdapter {
        private static final String SWITCHING =
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";

        @Override
        public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
            if (message instanceof HttpResponse) {
                ReferenceCountUtil.release(message);
                ByteBuf bytes = ByteBufUtil.writeAscii(context.alloc(), SWITCHING);
                context.write(bytes, promise);
            } else {
                context.write(message, promise);
            }
        }
    }
}
