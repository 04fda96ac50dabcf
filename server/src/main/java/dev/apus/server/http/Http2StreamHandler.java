package dev.apus.server.http;

import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.DefaultHttp2ResetFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Exception;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.util.ReferenceCountUtil;
import java.io.IOException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A stream of an HTTP/2 connection, which is one request and its answer: collects the body within the limits, hands the request on, and
 * tells what makes the answer when the client is slow or has gone. A stream of gRPC is handed over to its own handler with the first
 * frame. Runs on the connection's event loop.
 */
// Netty futures: a failed write or close ends the stream, of which channelInactive tells.
@SuppressWarnings("FutureReturnValueIgnored")
final class Http2StreamHandler extends ChannelInboundHandlerAdapter implements ConnectionTimers.Expiry {
    private static final Logger LOG = LoggerFactory.getLogger(Http2StreamHandler.class);
    private static final String GRPC = "application/grpc";

    private final Dispatcher dispatcher;
    private final boolean watchOnly;
    private final @Nullable Supplier<ChannelHandler> grpc;
    private final BodyCollector body;
    private final ConnectionTimers timers;
    private final Uploads uploads;
    /** From the head on until it is answered. */
    private @Nullable Exchange current;

    private @Nullable Route route;
    private boolean begun;
    /** Whether the client has sent all of the request. */
    private boolean whole;
    /** Whether a handler has the body, and gives the memory back. */
    private boolean dispatched;

    private boolean answered;
    private boolean left;

    /**
     * @param watchOnly whether it answers only those who watch the server: the others' places are taken
     * @param grpc makes the handler of a stream of gRPC, which gets the frames from the first one on; null if there is none
     */
    Http2StreamHandler(Dispatcher dispatcher, boolean watchOnly, @Nullable Supplier<ChannelHandler> grpc) {
        this.dispatcher = dispatcher;
        this.watchOnly = watchOnly;
        this.grpc = grpc;
        HttpOptions options = dispatcher.options();
        body = new BodyCollector(options.maxBodyBytes());
        timers = new ConnectionTimers(options.readTimeout(), options.idleTimeout(), options.stallTimeout(), this);
        uploads = new Uploads(timers);
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        if (message instanceof Http2HeadersFrame head && !begun && grpc != null && isGrpc(head) && !watchOnly) {
            // The context leads to the new handler from now on.
            context.pipeline().replace(this, null, grpc.get());
            context.fireChannelRead(message);
            return;
        }
        try {
            switch (message) {
                case Http2HeadersFrame head when !begun -> begin(context, head);
                case Http2HeadersFrame trailers when trailers.isEndStream() -> end();
                case Http2DataFrame data -> receive(context, data);
                default -> {
                    // Frames of kinds that are not known have no meaning here.
                }
            }
        } finally {
            ReferenceCountUtil.release(message);
        }
    }

    private static boolean isGrpc(Http2HeadersFrame head) {
        CharSequence type = head.headers().get(HttpHeaderNames.CONTENT_TYPE);
        return type != null && type.toString().startsWith(GRPC);
    }

    private void begin(ChannelHandlerContext context, Http2HeadersFrame head) {
        begun = true;
        whole = head.isEndStream();
        Http2Sink sink = new Http2Sink(context, this);
        Exchange exchange;
        try {
            exchange = exchange(sink, Http2Head.request(head.headers()));
        } catch (ApiException e) {
            HttpRequest unknown = new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/");
            exchange = exchange(sink, unknown);
            current = exchange;
            exchange.respond(e);
            return;
        }
        current = exchange;
        try {
            Route found = accept(context, exchange, head);
            route = found;
            if (found != null && found.takesStream() && !answered) {
                Exchange taking = exchange;
                dispatcher.dispatchStream(found, exchange, () -> uploads.goOn(context, taking));
                dispatched = true;
            }
        } catch (ApiException e) {
            exchange.respond(e);
        }
        if (whole) {
            end();
        } else if (!answered) {
            timers.requestBegins(context);
        }
    }

    private Exchange exchange(Http2Sink sink, HttpRequest request) {
        return new Exchange(sink, request, dispatcher.memory(), dispatcher.reports());
    }

    /** The route, or null if the exchange is answered already. */
    private @Nullable Route accept(ChannelHandlerContext context, Exchange exchange, Http2HeadersFrame head) {
        boolean counted = exchange.memory().tryTake(Http2Head.bytes(head.headers()));
        HttpRequest request = exchange.request();
        dispatcher.checkHead(request);
        if (isGrpc(head)) {
            throw watchOnly ? ApiException.tooManyConnections() : noGrpc();
        }
        dispatcher.checkLength(exchange, HttpUtil.getContentLength(request, 0L));
        Route found = dispatcher.route(exchange);
        if (!counted && (found == null || !found.inline())) {
            // Probes are answered however full the memory is.
            throw MemoryBudget.spent();
        }
        if (found == null || !found.inline()) {
            ConnectionMemory.checkUnread(context.channel().parent());
        }
        if (found != null && watchOnly && !found.watches()) {
            throw ApiException.tooManyConnections();
        }
        if (found != null && Dispatcher.expectsContinue(request)) {
            context.writeAndFlush(new DefaultHttp2HeadersFrame(
                    new DefaultHttp2Headers().status(HttpResponseStatus.CONTINUE.codeAsText())));
        }
        return found;
    }

    private static ApiException noGrpc() {
        return new ApiException(415, "this server answers no gRPC; send JSON", null, "unsupported_media_type", 0);
    }

    private void receive(ChannelHandlerContext context, Http2DataFrame data) {
        whole = data.isEndStream();
        Exchange exchange = current;
        BodyStream stream = exchange == null ? null : exchange.bodyStream();
        if (exchange == null || (dispatched && stream == null)) {
            return;
        }
        try {
            if (stream == null) {
                body.append(context.alloc(), exchange.memory(), data.content());
            } else {
                uploads.take(context, stream, data.content());
            }
        } catch (ApiException e) {
            exchange.respond(e);
        }
        if (whole) {
            end();
        }
    }

    private void end() {
        whole = true;
        timers.requestEnds();
        Exchange exchange = current;
        Route target = route;
        BodyStream stream = exchange == null ? null : exchange.bodyStream();
        if (stream != null) {
            stream.finish();
        } else if (exchange != null && target != null && !dispatched) {
            dispatched = true;
            exchange.body(body.take());
            dispatcher.dispatch(target, exchange);
        }
    }

    /** The exchange has been answered; what was written may still be on its way. */
    void answered(ChannelHandlerContext context, Exchange exchange) {
        release(exchange);
        current = null;
        answered = true;
        timers.requestEnds();
        if (!left) {
            timers.stalls(context);
        }
    }

    /** The last byte of the answer has left or never will. A client that still sends is asked to stop. */
    void left(ChannelHandlerContext context) {
        left = true;
        timers.flows();
        if (!whole && context.channel().isActive()) {
            context.writeAndFlush(new DefaultHttp2ResetFrame(Http2Error.NO_ERROR));
        }
    }

    private void release(Exchange exchange) {
        body.release(exchange.memory());
        if (!dispatched) {
            exchange.memory().close();
        }
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext context) {
        if (!context.channel().isWritable()) {
            timers.stalls(context);
            return;
        }
        timers.flows();
        Exchange exchange = current;
        if (exchange != null) {
            exchange.writable();
        } else if (answered && !left) {
            timers.stalls(context);
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        timers.cancelAll();
        Exchange exchange = current;
        current = null;
        if (exchange != null) {
            release(exchange);
            exchange.disconnected();
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        // What a client does wrong or its going is an everyday matter; anything else is a fault of ours.
        if (cause instanceof IOException || cause instanceof Http2Exception) {
            LOG.debug("stream {} failed: {}", context.channel(), cause.toString());
        } else {
            LOG.error("stream {} failed", context.channel(), cause);
        }
        // The codec counts resets for faults of the client's, and not those that say CANCEL.
        reset(context, cause instanceof Http2Exception fault ? fault.error() : Http2Error.CANCEL);
    }

    /** Ends the stream without an end of the answer. */
    void reset(ChannelHandlerContext context) {
        reset(context, Http2Error.CANCEL);
    }

    private static void reset(ChannelHandlerContext context, Http2Error why) {
        // Closing alone would tell the client nothing if the end of the answer is written and still waits.
        context.writeAndFlush(new DefaultHttp2ResetFrame(why));
        context.close();
    }

    @Override
    public void readExpired(ChannelHandlerContext context) {
        Exchange exchange = current;
        if (exchange != null) {
            exchange.respond(new ApiException(
                    408,
                    "the request was not complete within "
                            + dispatcher.options().readTimeout().toMillis() + " ms",
                    null,
                    null,
                    0));
        }
    }

    @Override
    public void idleExpired(ChannelHandlerContext context) {
        // Never asked for: a connection is idle, a stream is not.
    }

    @Override
    public void stallExpired(ChannelHandlerContext context) {
        LOG.info(
                "{} has read nothing of a stream for {} ms; the stream is reset",
                context.channel().remoteAddress(),
                dispatcher.options().stallTimeout().toMillis());
        reset(context);
    }
}
