package dev.apus.server.grpc;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2ResetFrame;
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.handler.codec.http2.Http2StreamChannel;
import io.netty.handler.codec.http2.Http2StreamChannelBootstrap;
import io.netty.util.ReferenceCountUtil;
import java.net.InetSocketAddress;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** One HTTP/2 stream whose bytes a test writes itself, on a connection of its own. */
final class RawStream implements AutoCloseable {
    private final MultiThreadIoEventLoopGroup loops = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final Channel connection;
    private final Http2StreamChannel stream;
    private final LinkedBlockingQueue<Http2Headers> heads = new LinkedBlockingQueue<>();
    private final LinkedBlockingQueue<Long> resets = new LinkedBlockingQueue<>();

    RawStream(InetSocketAddress server) {
        connection = new Bootstrap()
                .group(loops)
                .channel(NioSocketChannel.class)
                .handler(new ChannelInitializer<>() {
                    @Override
                    protected void initChannel(Channel channel) {
                        channel.pipeline()
                                .addLast(
                                        Http2FrameCodecBuilder.forClient()
                                                .initialSettings(Http2Settings.defaultSettings())
                                                .build(),
                                        new Http2MultiplexHandler(new ChannelInboundHandlerAdapter()));
                    }
                })
                .connect(server)
                .syncUninterruptibly()
                .channel();
        stream = new Http2StreamChannelBootstrap(connection)
                .handler(new Reader())
                .open()
                .syncUninterruptibly()
                .getNow();
    }

    private final class Reader extends ChannelInboundHandlerAdapter {
        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            try {
                if (message instanceof Http2HeadersFrame frame) {
                    heads.add(frame.headers());
                } else if (!(message instanceof Http2DataFrame)) {
                    throw new AssertionError("unexpected " + message);
                }
            } finally {
                ReferenceCountUtil.release(message);
            }
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext context, Object event) {
            if (event instanceof Http2ResetFrame reset) {
                resets.add(reset.errorCode());
            }
        }
    }

    /** The head of a good call. */
    static Http2Headers head(String path) {
        return new DefaultHttp2Headers()
                .method("POST")
                .scheme("http")
                .authority("localhost")
                .path(path)
                .add("te", "trailers")
                .add("content-type", "application/grpc");
    }

    RawStream send(Http2Headers head) {
        stream.writeAndFlush(new DefaultHttp2HeadersFrame(head)).syncUninterruptibly();
        return this;
    }

    RawStream send(byte[] data, boolean end) {
        ByteBuf bytes = Unpooled.wrappedBuffer(data);
        stream.writeAndFlush(new DefaultHttp2DataFrame(bytes, end)).syncUninterruptibly();
        return this;
    }

    /** The next header block of the answer. */
    Http2Headers next() throws InterruptedException {
        Http2Headers head = heads.poll(10, TimeUnit.SECONDS);
        if (head == null) {
            throw new AssertionError("no answer within 10 s");
        }
        return head;
    }

    /** The error code of the reset that the server has sent. */
    @Nullable
    Long reset() throws InterruptedException {
        return resets.poll(10, TimeUnit.SECONDS);
    }

    @Override
    public void close() {
        connection.close().syncUninterruptibly();
        loops.shutdownGracefully(0, 2, TimeUnit.SECONDS).syncUninterruptibly();
    }
}
