package dev.apus.server.http;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.netty.util.ReferenceCountUtil;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection: collects a request's body within the limits, hands it on, and takes the next request when it is answered. Requests
 * that a client pipelines wait here; beyond a few the connection is not read. Runs on the connection's event loop.
 *
 * <p>A client that ends its side of the connection gets the answers to what it has asked, but nothing is generated for it: a client that
 * has gone looks the same until something is written to it.
 */
// Netty futures: a failed write or close ends the channel, of which channelInactive tells.
@SuppressWarnings("FutureReturnValueIgnored")
final class ConnectionHandler extends ChannelInboundHandlerAdapter implements ConnectionTimers.Expiry {
    private static final Logger LOG = LoggerFactory.getLogger(ConnectionHandler.class);
    private static final byte[] CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
    /** Parts of pipelined requests that wait before reading stops, and their bytes; what was read with the last one may come on top. */
    private static final int MOST_WAITING = 32;

    private static final int MOST_WAITING_BYTES = 64 << 10;

    /** What is done with what comes in. */
    private enum State {
        /** A request may begin. */
        IDLE,
        /** The body of the request at hand is collected. */
        RECEIVING,
        /** The request at hand is whole and not answered; the next one waits. */
        ANSWERING,
        /** The request was answered before it was whole: its rest is thrown away. */
        SKIPPING,
        /** All is thrown away: the connection is about to close. */
        REFUSING
    }

    private final Dispatcher dispatcher;
    private final boolean watchOnly;
    private final BodyCollector body;
    private final ConnectionTimers timers;
    private final Uploads uploads;
    private final ArrayDeque<Object> waiting = new ArrayDeque<>();
    private State state = State.IDLE;
    /** In RECEIVING and ANSWERING, and while a request is refused. */
    private @Nullable Exchange current;

    private @Nullable Route route;
    private int waitingBytes;
    private boolean handlingWaiting;
    private boolean inputEnded;
    private boolean outputEnded;

    /** @param watchOnly whether it answers only those who watch the server: the others' places are taken */
    ConnectionHandler(Dispatcher dispatcher, boolean watchOnly) {
        this.dispatcher = dispatcher;
        this.watchOnly = watchOnly;
        body = new BodyCollector(dispatcher.options().maxBodyBytes());
        timers = ConnectionTimers.of(dispatcher.options(), watchOnly, this);
        uploads = new Uploads(timers);
    }

    @Override
    public void handlerAdded(ChannelHandlerContext context) {
        timers.idle(context);
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext context) {
        // The connection has changed its protocol.
        timers.cancelAll();
    }

    /** Bytes have come in, before they are decoded. */
    void bytesRead(ChannelHandlerContext context) {
        if (current == null && state != State.REFUSING) {
            timers.requestBegins(context);
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        if (state == State.REFUSING || !(message instanceof HttpObject)) {
            ReferenceCountUtil.release(message);
        } else if (!handlingWaiting && waiting.isEmpty() && mayHandle(context)) {
            handle(context, message);
        } else {
            waiting.add(message);
            waitingBytes += bytes(message);
            if (isTooMuchWaiting()) {
                tooMuchWaits(context);
            }
        }
    }

    /** The connection is not read any more; then nobody would see its client go, for whom something may be generated. */
    private void tooMuchWaits(ChannelHandlerContext context) {
        Exchange exchange = current;
        if (state == State.ANSWERING && exchange != null && route != null && route.generates()) {
            exchange.closeAfter();
            exchange.refuse(new ApiException(
                    400,
                    "more than " + MOST_WAITING_BYTES + " bytes or " + MOST_WAITING
                            + " parts were pipelined behind a request that generates; wait for its answer, or use another connection",
                    null,
                    "pipelined_too_much",
                    0));
        } else {
            context.channel().config().setAutoRead(false);
        }
    }

    private static int bytes(Object message) {
        return message instanceof HttpContent content ? content.content().readableBytes() : 0;
    }

    private boolean isTooMuchWaiting() {
        return waiting.size() > MOST_WAITING || waitingBytes > MOST_WAITING_BYTES;
    }

    /** A part of the request at hand, or a new request of a client that reads its answers. */
    private boolean mayHandle(ChannelHandlerContext context) {
        return switch (state) {
            case RECEIVING, SKIPPING -> true;
            case IDLE -> context.channel().isWritable();
            case ANSWERING, REFUSING -> false;
        };
    }

    private void handle(ChannelHandlerContext context, Object message) {
        HttpObject object = (HttpObject) message;
        try {
            if (object.decoderResult().isFailure()) {
                refuse(context, object, object.decoderResult().cause());
                return;
            }
            if (object instanceof HttpRequest request) {
                begin(context, request);
            }
            if (object instanceof HttpContent content) {
                receive(context, content);
            }
        } finally {
            ReferenceCountUtil.release(message);
        }
    }

    private void begin(ChannelHandlerContext context, HttpRequest request) {
        Exchange exchange = exchange(context, request, HttpUtil.isKeepAlive(request));
        current = exchange;
        state = State.RECEIVING;
        boolean understood = false;
        try {
            dispatcher.checkHead(request);
            dispatcher.checkLength(exchange, HttpUtil.getContentLength(request, 0L));
            understood = true;
            if (dispatcher.isDraining() || watchOnly) {
                exchange.closeAfter();
            }
            Route found = dispatcher.route(exchange);
            if (found == null) {
                return; // answered, so that it is skipped
            }
            if (watchOnly && !found.watches()) {
                throw ApiException.tooManyConnections();
            }
            route = found;
            if (Dispatcher.expectsContinue(request)) {
                context.writeAndFlush(Unpooled.wrappedBuffer(CONTINUE), context.voidPromise());
            }
            if (found.takesStream()) {
                dispatcher.dispatchStream(found, exchange, () -> uploads.goOn(context, exchange));
            }
        } catch (ApiException e) {
            answerEarly(exchange, request, e, understood);
        }
    }

    private Exchange exchange(ChannelHandlerContext context, HttpRequest request, boolean keepAlive) {
        boolean http11 = request.protocolVersion().equals(HttpVersion.HTTP_1_1);
        return new Exchange(
                new Http1Sink(context, this, http11, keepAlive), request, dispatcher.memory(), dispatcher.reports());
    }

    /**
     * A refusal before the body was read: if there is one, the connection ends, for it may be large. It ends too where the head itself is
     * wrong: what follows may be read differently by a proxy in front.
     */
    private void answerEarly(Exchange exchange, HttpRequest request, ApiException error, boolean understood) {
        boolean hasBody = HttpUtil.isTransferEncodingChunked(request) || HttpUtil.getContentLength(request, 0L) > 0;
        if (hasBody || !understood) {
            exchange.closeAfter();
        }
        exchange.respond(error);
    }

    private void receive(ChannelHandlerContext context, HttpContent content) {
        boolean last = content instanceof LastHttpContent;
        Exchange exchange = current;
        Route target = route;
        if (state == State.SKIPPING && last) {
            timers.requestEnds();
            state = State.IDLE;
        }
        if (state != State.RECEIVING || exchange == null || target == null) {
            return;
        }
        try {
            BodyStream stream = exchange.bodyStream();
            if (stream != null) {
                uploads.take(context, stream, content.content());
            } else {
                body.append(context.alloc(), exchange.memory(), content.content());
            }
            if (last) {
                timers.requestEnds();
                timers.busy();
                state = State.ANSWERING;
            }
            if (last && stream != null) {
                stream.finish();
            } else if (last) {
                checkInput(target);
                exchange.body(body.take());
                dispatcher.dispatch(target, exchange);
            }
        } catch (ApiException e) {
            exchange.closeAfter();
            exchange.respond(e);
        }
    }

    private void checkInput(Route target) {
        if (inputEnded && target.generates()) {
            throw halfClosed();
        }
    }

    private static ApiException halfClosed() {
        return new ApiException(
                400,
                "the client has ended its side of the connection, which this server takes for its going; keep it open"
                        + " until the answer has come",
                null,
                "connection_half_closed",
                0);
    }

    /** The decoder cannot go on: answers unless the request was answered already, and ends the connection. */
    private void refuse(ChannelHandlerContext context, HttpObject object, Throwable cause) {
        if (state == State.SKIPPING) {
            // A second answer would be taken for that to another request.
            state = State.REFUSING;
            endOutput(context);
            return;
        }
        Exchange exchange = current;
        if (exchange == null) {
            HttpRequest request = object instanceof HttpRequest given
                    ? given
                    : new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/");
            exchange = exchange(context, request, false);
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
    void answered(ChannelHandlerContext context, Exchange exchange, boolean keepAlive) {
        body.release(exchange.memory());
        current = null;
        route = null;
        state = !keepAlive ? State.REFUSING : state == State.RECEIVING ? State.SKIPPING : State.IDLE;
        if (!context.channel().isActive()) {
            return;
        }
        timers.idle(context);
        if (!keepAlive) {
            releaseWaiting();
            endOutput(context);
        } else if (!handlingWaiting) {
            handleWaiting(context);
        }
    }

    private void handleWaiting(ChannelHandlerContext context) {
        handlingWaiting = true;
        try {
            while (!waiting.isEmpty() && mayHandle(context)) {
                Object message = waiting.remove();
                waitingBytes -= bytes(message);
                handle(context, message);
            }
        } finally {
            handlingWaiting = false;
        }
        if (state == State.RECEIVING && waiting.isEmpty()) {
            timers.requestBegins(context);
        }
        if (!isTooMuchWaiting() && !context.channel().config().isAutoRead()) {
            context.channel().config().setAutoRead(true);
        }
        if (inputEnded) {
            endIfNothingIsLeft(context);
        }
    }

    /** The client will send nothing more: the connection ends with the answers to what it has sent. */
    private void endIfNothingIsLeft(ChannelHandlerContext context) {
        boolean incomplete = state == State.RECEIVING || state == State.SKIPPING;
        if (waiting.isEmpty() && (incomplete || state == State.IDLE)) {
            state = State.REFUSING;
            endOutput(context);
        }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
        if (!(event instanceof ChannelInputShutdownEvent)) {
            context.fireUserEventTriggered(event);
            return;
        }
        inputEnded = true;
        Exchange exchange = current;
        if (outputEnded) {
            context.close();
        } else if (state == State.ANSWERING && exchange != null && route != null && route.generates()) {
            exchange.closeAfter();
            exchange.refuse(halfClosed());
        } else {
            endIfNothingIsLeft(context);
        }
    }

    private void endOutput(ChannelHandlerContext context) {
        LingeringClose.end(context, () -> inputEnded, () -> outputEnded = true);
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
        } else if (!handlingWaiting) {
            handleWaiting(context);
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        state = State.REFUSING;
        releaseWaiting();
        timers.cancelAll();
        Exchange exchange = current;
        current = null;
        if (exchange != null) {
            body.release(exchange.memory());
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

    private void releaseWaiting() {
        while (!waiting.isEmpty()) {
            ReferenceCountUtil.release(waiting.remove());
        }
        waitingBytes = 0;
    }

    @Override
    public void readExpired(ChannelHandlerContext context) {
        LOG.debug("{} took too long to send a request", context.channel().remoteAddress());
        Exchange exchange = current;
        if (exchange == null) {
            state = State.REFUSING;
            context.close();
            return;
        }
        exchange.closeAfter();
        exchange.respond(new ApiException(
                408,
                "the request was not complete within "
                        + dispatcher.options().readTimeout().toMillis() + " ms",
                null,
                null,
                0));
    }

    @Override
    public void idleExpired(ChannelHandlerContext context) {
        if (context.channel().isWritable()) {
            context.close();
        } else {
            // It still takes a long answer; whether it does is the stall timer's business.
            timers.idle(context);
        }
    }

    @Override
    public void stallExpired(ChannelHandlerContext context) {
        LOG.info(
                "{} has read nothing for {} ms; its connection is closed",
                context.channel().remoteAddress(),
                dispatcher.options().stallTimeout().toMillis());
        context.close();
    }
}
