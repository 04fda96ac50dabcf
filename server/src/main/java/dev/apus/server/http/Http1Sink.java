package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.util.concurrent.EventExecutor;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * An answer on an HTTP/1.1 connection. Heads and chunks are written as bytes by hand: a chunk is one buffer and one write, without objects
 * in between.
 */
// Netty futures: a failed write or close ends the channel, of which channelInactive tells.
@SuppressWarnings("FutureReturnValueIgnored")
final class Http1Sink implements AnswerSink {
    private static final byte[] CRLF = {'\r', '\n'};
    private static final byte[] LAST_CHUNK = "0\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
    private static final int MOST_CHUNK_OVERHEAD = 16;
    /** What a head takes at first. */
    private static final int HEAD_BYTES = 1024;

    private static final int PART_BYTES = 64 << 10;

    private final ChannelHandlerContext context;
    private final ConnectionHandler connection;
    private final boolean http11;
    private boolean keepAlive;

    /**
     * @param http11 whether the client understands chunks; one of HTTP/1.0 does not, and gets one answer a connection
     * @param keepAlive whether the client wants to use the connection again
     */
    Http1Sink(ChannelHandlerContext context, ConnectionHandler connection, boolean http11, boolean keepAlive) {
        this.context = context;
        this.connection = connection;
        this.http11 = http11;
        this.keepAlive = keepAlive && http11;
    }

    @Override
    public Origin origin() {
        return Origin.of(context.channel().remoteAddress(), http11 ? "HTTP/1.1" : "HTTP/1.0");
    }

    @Override
    public EventExecutor loop() {
        return context.executor();
    }

    @Override
    public boolean isWritable() {
        return context.channel().isWritable();
    }

    @Override
    public void closeAfter() {
        keepAlive = false;
    }

    @Override
    public long whole(Head head, byte[] body, Runnable left) {
        ByteBuf out = context.alloc().buffer(HEAD_BYTES / 2 + body.length);
        out.writeCharSequence(text(head).append("\r\n"), StandardCharsets.US_ASCII);
        out.writeBytes(body);
        return write(out, left);
    }

    @Override
    public long part(@Nullable Head head, JsonOut data, @Nullable Runnable left) {
        ByteBuf out = context.alloc().buffer(data.length() + (head == null ? MOST_CHUNK_OVERHEAD : HEAD_BYTES));
        if (head != null) {
            StringBuilder text = text(head);
            if (http11) {
                text.append("transfer-encoding: chunked\r\n");
            }
            out.writeCharSequence(text.append("\r\n"), StandardCharsets.US_ASCII);
        }
        chunk(out, data);
        if (left != null && http11) {
            out.writeBytes(LAST_CHUNK);
        }
        return write(out, left);
    }

    private void chunk(ByteBuf out, JsonOut data) {
        int length = data.length();
        if (length == 0) {
            return;
        }
        if (http11) {
            out.writeCharSequence(Integer.toHexString(length), StandardCharsets.US_ASCII);
            out.writeBytes(CRLF);
            data.writeTo(out);
            out.writeBytes(CRLF);
        } else {
            data.writeTo(out);
        }
    }

    private long write(ByteBuf out, @Nullable Runnable left) {
        int bytes = out.readableBytes();
        // Netty takes a buffer for unsent until its last byte has left: in parts, a client that reads is seen to.
        while (out.readableBytes() > PART_BYTES) {
            context.write(out.readRetainedSlice(PART_BYTES), context.voidPromise());
        }
        if (left == null) {
            context.writeAndFlush(out, context.voidPromise());
        } else {
            context.writeAndFlush(out).addListener(written -> left.run());
        }
        return bytes;
    }

    private StringBuilder text(Head head) {
        StringBuilder text = new StringBuilder(256);
        text.append("HTTP/1.1 ").append(head.status()).append(' ').append(Statuses.reason(head.status()));
        text.append("\r\n");
        for (Field field : head.fields()) {
            text.append(field.name()).append(": ").append(field.value()).append("\r\n");
        }
        if (!keepAlive) {
            text.append("connection: close\r\n");
        }
        return text;
    }

    @Override
    public void cutOff() {
        context.close();
    }

    @Override
    public void answered(Exchange exchange) {
        connection.answered(context, exchange, keepAlive);
    }
}
