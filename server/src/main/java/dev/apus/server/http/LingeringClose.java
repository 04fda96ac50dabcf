package dev.apus.server.http;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.ssl.SslHandler;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * Closes an HTTP/1.1 connection so that the client can read the answer although it may still be sending: first our side, a little later
 * all. Closed at once, the client's bytes would be answered with a reset, which throws away what it has not read.
 */
// Netty futures: a failed write or close ends the channel, which is what is wanted.
@SuppressWarnings("FutureReturnValueIgnored")
final class LingeringClose {
    /** How long a refused client may go on sending so that it reads the refusal before the connection is reset. */
    private static final Duration LINGER = Duration.ofSeconds(2);

    private LingeringClose() {}

    /**
     * Ends the connection after what has been written. On its event loop.
     *
     * @param inputEnded whether the client has ended its side, so that nothing more can come
     * @param outputEnded run when our side is about to end
     */
    static void end(ChannelHandlerContext context, BooleanSupplier inputEnded, Runnable outputEnded) {
        context.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(written -> {
            outputEnded.run();
            if (written.isSuccess()
                    && !inputEnded.getAsBoolean()
                    && context.channel() instanceof DuplexChannel duplex) {
                endOurSide(context, duplex);
                context.channel().config().setAutoRead(true);
                context.executor().schedule(() -> context.close(), LINGER.toMillis(), TimeUnit.MILLISECONDS);
            } else {
                context.close();
            }
        });
    }

    private static void endOurSide(ChannelHandlerContext context, DuplexChannel duplex) {
        SslHandler tls = context.pipeline().get(SslHandler.class);
        if (tls == null) {
            duplex.shutdownOutput();
        } else {
            // Without TLS's own word for the end a client would have to take the answer for cut off.
            tls.closeOutbound().addListener(told -> duplex.shutdownOutput());
        }
    }
}
