package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.ReferenceCountUtil;
import java.nio.charset.StandardCharsets;

/**
 * Stands before TLS and answers a client that speaks plain HTTP, which else would see the connection closed and not know why. A request begins
 * with a letter, TLS with the number of a record's type. Leaves the pipeline at the first byte of anything else.
 */
// Netty futures: a failed write ends the channel.
@SuppressWarnings("FutureReturnValueIgnored")
final class PlainHttpGuard extends ChannelInboundHandlerAdapter {
    private static final byte[] ANSWER = answer();

    private boolean answered;

    private static byte[] answer() {
        ApiException error = ApiException.badRequest("this port speaks TLS: use https:// instead of http://");
        String body = new String(error.json(), StandardCharsets.US_ASCII);
        return ("HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: " + body.length()
                        + "\r\nconnection: close\r\n\r\n" + body)
                .getBytes(StandardCharsets.US_ASCII);
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        if (answered) {
            ReferenceCountUtil.release(message);
            return;
        }
        if (message instanceof ByteBuf bytes && bytes.isReadable() && isMethod(bytes.getByte(bytes.readerIndex()))) {
            answered = true;
            ReferenceCountUtil.release(message);
            // In this order: the one would close the connection on hearing that the other has gone.
            context.pipeline().remove(AlpnChooser.class);
            context.pipeline().remove(SslHandler.class);
            context.write(Unpooled.wrappedBuffer(ANSWER));
            LingeringClose.end(context, () -> false, () -> {});
            return;
        }
        context.pipeline().remove(this);
        context.fireChannelRead(message);
    }

    private static boolean isMethod(byte first) {
        return first >= 'A' && first <= 'Z';
    }
}
