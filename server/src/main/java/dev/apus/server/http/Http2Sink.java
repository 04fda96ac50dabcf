package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.util.concurrent.EventExecutor;
import org.jspecify.annotations.Nullable;

/** An answer on a stream of an HTTP/2 connection. */
// Netty futures: a failed write or close ends the stream, of which channelInactive tells.
@SuppressWarnings("FutureReturnValueIgnored")
final class Http2Sink implements AnswerSink {
    /** Whole answers are written in such parts, so that it is seen whether a slow client takes them. */
    private static final int PART = 64 << 10;

    private final ChannelHandlerContext context;
    private final Http2StreamHandler stream;

    Http2Sink(ChannelHandlerContext context, Http2StreamHandler stream) {
        this.context = context;
        this.stream = stream;
    }

    @Override
    public Origin origin() {
        return Origin.of(context.channel().remoteAddress(), "HTTP/2");
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
        // The connection is others' too: a stream ends with its answer in any case.
    }

    @Override
    public long whole(Head head, byte[] body, Runnable left) {
        if (body.length == 0) {
            last(new DefaultHttp2HeadersFrame(headers(head), true), left);
            return 0;
        }
        context.write(new DefaultHttp2HeadersFrame(headers(head), false), context.voidPromise());
        ByteBuf all = Unpooled.wrappedBuffer(body);
        while (all.readableBytes() > PART) {
            context.write(new DefaultHttp2DataFrame(all.readRetainedSlice(PART), false), context.voidPromise());
        }
        last(new DefaultHttp2DataFrame(all, true), left);
        return body.length;
    }

    @Override
    public long part(@Nullable Head head, JsonOut data, @Nullable Runnable left) {
        if (head != null) {
            context.write(new DefaultHttp2HeadersFrame(headers(head), false), context.voidPromise());
        }
        int bytes = data.length();
        ByteBuf out = context.alloc().buffer(bytes);
        data.writeTo(out);
        if (left == null) {
            context.writeAndFlush(new DefaultHttp2DataFrame(out, false), context.voidPromise());
        } else {
            last(new DefaultHttp2DataFrame(out, true), left);
        }
        return bytes;
    }

    private void last(Object frame, Runnable left) {
        context.writeAndFlush(frame).addListener(written -> {
            left.run();
            stream.left(context);
        });
    }

    private static Http2Headers headers(Head head) {
        Http2Headers headers = new DefaultHttp2Headers(false);
        headers.status(Integer.toString(head.status()));
        for (Field field : head.fields()) {
            headers.add(field.name(), field.value());
        }
        return headers;
    }

    @Override
    public void cutOff() {
        stream.reset(context);
    }

    @Override
    public void authorised() {
        context.channel().parent().pipeline().fireUserEventTriggered(Protocols.Authorised.ONCE);
    }

    @Override
    public void unread(long bytes) {
        ConnectionMemory memory = ConnectionMemory.of(context.channel().parent());
        if (memory != null) {
            memory.unread(bytes);
        }
    }

    @Override
    public void answered(Exchange exchange) {
        stream.answered(context, exchange);
    }
}
