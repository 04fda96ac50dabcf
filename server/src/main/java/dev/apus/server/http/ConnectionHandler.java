package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.ScheduledFuture;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection: collects a request's body within the limits, hands it on, and takes the next request when it is answered. Requests
 * that a client pipelines wait here; beyond a few the connection is not read. Runs on the connection's event loop.
 */
// Netty futures: a failed write or close ends the channel, of which channelInactive tells.
@SuppressWarnings("FutureReturnValueIgnored")
final class ConnectionHandler extends ChannelInboundHandlerAdapter {
    private static final Logger LOG = LoggerFactory.getLogger(ConnectionHandler.class);
    private static final byte[] CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
    /** Parts of pipelined requests that wait before reading stops. */
    private static final int MOST_WAITING = 32;
    /** How long a refused client may go on sending so that it reads the refusal before the connection is reset. */
    private static final Duration LINGER = Duration.ofSeconds(2);

    private final Dispatcher dispatcher;
    private final ArrayDeque<Object> waiting = new ArrayDeque<>();
    private @Nullable Exchange current;
    private @Nullable Route route;
    private @Nullable ByteBuf body;
    private boolean receiving;
    /** The rest of what the client sends is thrown away: the connection is about to close. */
    private boolean refusing;
    /** The rest of the current request is thrown away: it was answered early. */
    private boolean skipping;

    private boolean handlingWaiting;
    private @Nullable ScheduledFuture<?> readTimer;
    private @Nullable ScheduledFuture<?> idleTimer;
    private @Nullable ScheduledFuture<?> stallTimer;

    ConnectionHandler(Dispatcher dispatcher) {
        this.dispatcher = dispatcher;
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
        armIdle(context);
    }

    /** Bytes have come in, before they are decoded. */
    void bytesRead(ChannelHandlerContext context) {
        if (current == null && readTimer == null && !refusing) {
            cancel(idleTimer);
            long millis = dispatcher.options().readTimeout().toMillis();
            readTimer = context.executor().schedule(() -> readTimedOut(context), millis, TimeUnit.MILLISECONDS);
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        if (refusing || !(message instanceof HttpObject)) {
            ReferenceCountUtil.release(message);
        } else if (!handlingWaiting && waiting.isEmpty() && mayHandle(context)) {
            handle(context, message);
        } else {
            waiting.add(message);
            if (waiting.size() > MOST_WAITING) {
                context.channel().config().setAutoRead(false);
            }
        }
    }

    /** A part of the request at hand, or a new request of a client that reads its answers. */
    private boolean mayHandle(ChannelHandlerContext context) {
        return receiving || skipping || (current == null && context.channel().isWritable());
    }

    private void handle(ChannelHandlerContext context, Object message) {
        HttpObject object = (HttpObject) message;
        try {
            if (object.decoderResult().isFailure()) {
                refuse(context, object, object.decoderResult().cause());
            } else if (object instanceof HttpRequest request) {
                begin(context, request);
            }
            if (object instanceof HttpContent content
                    && !refusing
                    && object.decoderResult().isSuccess()) {
                receive(context, content);
            }
        } finally {
            ReferenceCountUtil.release(message);
        }
    }

    private void begin(ChannelHandlerContext context, HttpRequest request) {
        Exchange exchange = new Exchange(context, this, request, HttpUtil.isKeepAlive(request), dispatcher.memory());
        current = exchange;
        receiving = true;
        boolean understood = false;
        try {
            checkHead(request);
            understood = true;
            if (dispatcher.isDraining()) {
                exchange.closeAfter();
            }
            route = dispatcher.route(exchange);
            if (route == null) {
                receiving = false;
                skipping = true;
            } else if (expectsContinue(request)) {
                context.writeAndFlush(Unpooled.wrappedBuffer(CONTINUE), context.voidPromise());
            }
        } catch (ApiException e) {
            answerEarly(exchange, request, e, understood);
        }
    }

    /**
     * A refusal before the body was read: if there is one, the connection ends, for it may be large. It ends too where the head itself is
     * wrong: what follows may be read differently by a proxy in front.
     */
    private void answerEarly(Exchange exchange, HttpRequest request, ApiException error, boolean understood) {
        boolean hasBody = HttpUtil.isTransferEncodingChunked(request) || HttpUtil.getContentLength(request, 0L) > 0;
        receiving = false;
        skipping = true;
        if (hasBody || !understood) {
            refusing = true;
            exchange.closeAfter();
        }
        exchange.respond(error);
    }

    private void checkHead(HttpRequest request) {
        HttpVersion version = request.protocolVersion();
        if (!version.equals(HttpVersion.HTTP_1_1) && !version.equals(HttpVersion.HTTP_1_0)) {
            throw new ApiException(505, "the version is " + version + ", must be HTTP/1.1 or HTTP/1.0", null, null, 0);
        }
        if (version.equals(HttpVersion.HTTP_1_1)
                && request.headers().getAll(HttpHeaderNames.HOST).size() != 1) {
            throw ApiException.badRequest("a request must have one Host header");
        }
        if (HttpUtil.getContentLength(request, 0L) > dispatcher.options().maxBodyBytes()) {
            throw tooLarge();
        }
    }

    private static boolean expectsContinue(HttpRequest request) {
        String expect = request.headers().get(HttpHeaderNames.EXPECT);
        if (expect == null || request.protocolVersion().equals(HttpVersion.HTTP_1_0)) {
            return false;
        }
        if (!expect.equalsIgnoreCase("100-continue")) {
            throw new ApiException(417, "only the expectation 100-continue is known", null, null, 0);
        }
        return true;
    }

    private void receive(ChannelHandlerContext context, HttpContent content) {
        boolean last = content instanceof LastHttpContent;
        Exchange exchange = current;
        if (skipping || exchange == null || route == null) {
            if (last) {
                requestReceived();
                skipping = false;
            }
            return;
        }
        int size = content.content().readableBytes();
        if (size > 0 && !append(context, exchange, content.content())) {
            return;
        }
        if (last) {
            requestReceived();
            receiving = false;
            exchange.body(takeBody());
            dispatcher.dispatch(route, exchange);
        }
    }

    private boolean append(ChannelHandlerContext context, Exchange exchange, ByteBuf part) {
        int size = part.readableBytes();
        ByteBuf all = body;
        if (all == null) {
            all = context.alloc().heapBuffer(size);
            body = all;
        }
        ApiException error = null;
        if (all.readableBytes() + size > dispatcher.options().maxBodyBytes()) {
            error = tooLarge();
        } else if (!exchange.memory().tryTake((long) size * MemoryBudget.PER_BODY_BYTE)) {
            error = MemoryBudget.spent();
        }
        if (error == null) {
            all.writeBytes(part);
            return true;
        }
        refusing = true;
        receiving = false;
        exchange.closeAfter();
        exchange.respond(error);
        return false;
    }

    private ApiException tooLarge() {
        return new ApiException(
                413,
                "the request body is larger than the limit of "
                        + dispatcher.options().maxBodyBytes() + " bytes",
                null,
                "request_too_large",
                0);
    }

    private byte[] takeBody() {
        ByteBuf all = body;
        if (all == null) {
            return new byte[0];
        }
        byte[] bytes = new byte[all.readableBytes()];
        all.readBytes(bytes);
        all.release();
        body = null;
        return bytes;
    }

    /** The decoder cannot go on: answers as far as there is a request and ends the connection. */
    private void refuse(ChannelHandlerContext context, HttpObject object, Throwable cause) {
        refusing = true;
        receiving = false;
        Exchange exchange = current;
        if (exchange == null) {
            HttpRequest request = object instanceof HttpRequest given
                    ? given
                    : new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/");
            exchange = new Exchange(context, this, request, false, dispatcher.memory());
            current = exchange;
        }
        exchange.closeAfter();
        int status = cause instanceof TooLongHttpHeaderException
                ? 431
                : cause instanceof TooLongHttpLineException ? 414 : 400;
        String what = status == 431
                ? "the header fields are larger than the limit of "
                        + dispatcher.options().maxHeaderBytes() + " bytes"
                : status == 414 ? "the request line is too long" : "this is not a valid HTTP request";
        exchange.respond(new ApiException(status, what, null, null, 0));
    }

    /** An exchange has been answered; what was written may still be on its way. */
    void answered(Exchange exchange, boolean keepAlive) {
        ChannelHandlerContext context = exchange.context();
        dispatcher.metrics().http(exchange);
        releaseBody(exchange);
        current = null;
        if (!context.channel().isActive()) {
            return;
        }
        armIdle(context);
        if (!keepAlive) {
            refusing = true;
            releaseWaiting();
            endOutput(context);
            return;
        }
        if (!handlingWaiting) {
            handleWaiting(context);
        }
    }

    private void handleWaiting(ChannelHandlerContext context) {
        handlingWaiting = true;
        try {
            while (!waiting.isEmpty() && !refusing && mayHandle(context)) {
                handle(context, waiting.remove());
            }
        } finally {
            handlingWaiting = false;
        }
        if (waiting.size() <= MOST_WAITING && !context.channel().config().isAutoRead()) {
            context.channel().config().setAutoRead(true);
        }
    }

    /** Closes so that the client can read the answer although it may still be sending: first our side, a little later all. */
    private static void endOutput(ChannelHandlerContext context) {
        context.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(written -> {
            if (written.isSuccess() && context.channel() instanceof DuplexChannel duplex) {
                duplex.shutdownOutput();
                context.channel().config().setAutoRead(true);
                context.executor().schedule(() -> context.close(), LINGER.toMillis(), TimeUnit.MILLISECONDS);
            } else {
                context.close();
            }
        });
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext context) {
        if (context.channel().isWritable()) {
            cancel(stallTimer);
            stallTimer = null;
            Exchange exchange = current;
            if (exchange != null) {
                exchange.writable();
            } else if (!handlingWaiting) {
                handleWaiting(context);
            }
        } else if (stallTimer == null) {
            long millis = dispatcher.options().stallTimeout().toMillis();
            stallTimer = context.executor().schedule(() -> stalled(context), millis, TimeUnit.MILLISECONDS);
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        refusing = true;
        releaseWaiting();
        cancel(readTimer);
        cancel(idleTimer);
        cancel(stallTimer);
        Exchange exchange = current;
        current = null;
        if (exchange != null) {
            releaseBody(exchange);
            exchange.disconnected();
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        // Resets by the peer are everyday matters; anything else is a fault of ours.
        if (cause instanceof IOException) {
            LOG.debug("connection from {} failed: {}", context.channel().remoteAddress(), cause.toString());
        } else {
            LOG.error("connection from {} failed", context.channel().remoteAddress(), cause);
        }
        context.close();
    }

    /** What was received of a body that no handler will see. */
    private void releaseBody(Exchange exchange) {
        ByteBuf all = body;
        if (all != null) {
            all.release();
            body = null;
            exchange.memory().close();
        }
    }

    private void releaseWaiting() {
        while (!waiting.isEmpty()) {
            ReferenceCountUtil.release(waiting.remove());
        }
    }

    private void requestReceived() {
        cancel(readTimer);
        readTimer = null;
        if (current != null) {
            cancel(idleTimer);
        }
    }

    private void readTimedOut(ChannelHandlerContext context) {
        LOG.debug("{} took too long to send a request", context.channel().remoteAddress());
        refusing = true;
        Exchange exchange = current;
        if (exchange == null) {
            context.close();
            return;
        }
        receiving = false;
        exchange.closeAfter();
        exchange.respond(new ApiException(
                408,
                "the request was not complete within "
                        + dispatcher.options().readTimeout().toMillis() + " ms",
                null,
                null,
                0));
    }

    private void stalled(ChannelHandlerContext context) {
        LOG.info(
                "{} has read nothing for {} ms; its connection is closed",
                context.channel().remoteAddress(),
                dispatcher.options().stallTimeout().toMillis());
        context.close();
    }

    private void armIdle(ChannelHandlerContext context) {
        cancel(idleTimer);
        long millis = dispatcher.options().idleTimeout().toMillis();
        idleTimer = context.executor().schedule(() -> idle(context), millis, TimeUnit.MILLISECONDS);
    }

    private void idle(ChannelHandlerContext context) {
        if (context.channel().isWritable()) {
            context.close();
        } else {
            // It still takes a long answer; whether it does is the stall timer's business.
            armIdle(context);
        }
    }

    private static void cancel(@Nullable ScheduledFuture<?> timer) {
        if (timer != null) {
            timer.cancel(false);
        }
    }
}
