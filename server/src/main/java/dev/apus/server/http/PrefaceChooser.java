package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.codec.ByteToMessageDecoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells HTTP/2 from HTTP/1.1 on a connection without TLS: a client that knows that the server speaks HTTP/2 begins with its preface
 * (RFC 9113, 3.3). Sets the pipeline up accordingly and leaves it. Runs on the connection's event loop.
 */
// Netty futures: a failed close has closed.
@SuppressWarnings("FutureReturnValueIgnored")
final class PrefaceChooser extends ByteToMessageDecoder implements ConnectionTimers.Expiry {
    private static final Logger LOG = LoggerFactory.getLogger(PrefaceChooser.class);
    private static final byte[] PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

    private final Protocols protocols;
    private final boolean watchOnly;
    private final ConnectionTimers timers;

    PrefaceChooser(Protocols protocols, HttpOptions options, boolean watchOnly) {
        this.protocols = protocols;
        this.watchOnly = watchOnly;
        timers = ConnectionTimers.of(options, watchOnly, this);
    }

    @Override
    public void handlerAdded(ChannelHandlerContext context) {
        timers.idle(context);
    }

    @Override
    protected void decode(ChannelHandlerContext context, ByteBuf in, List<Object> out) {
        int known = Math.min(in.readableBytes(), PREFACE.length);
        for (int i = 0; i < known; i++) {
            if (in.getByte(in.readerIndex() + i) != PREFACE[i]) {
                protocols.http1(context.channel(), watchOnly, !watchOnly);
                context.pipeline().remove(this);
                return;
            }
        }
        if (known == PREFACE.length) {
            protocols.http2(context.channel(), watchOnly);
            context.pipeline().remove(this);
        } else {
            timers.requestBegins(context);
        }
    }

    @Override
    protected void handlerRemoved0(ChannelHandlerContext context) {
        timers.cancelAll();
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
        if (event instanceof ChannelInputShutdownEvent) {
            context.close();
        } else {
            context.fireUserEventTriggered(event);
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        LOG.debug("connection from {} failed: {}", context.channel().remoteAddress(), cause.toString());
        context.close();
    }

    @Override
    public void readExpired(ChannelHandlerContext context) {
        context.close();
    }

    @Override
    public void idleExpired(ChannelHandlerContext context) {
        context.close();
    }

    @Override
    public void stallExpired(ChannelHandlerContext context) {
        // Never asked for: nothing has been written.
    }
}
