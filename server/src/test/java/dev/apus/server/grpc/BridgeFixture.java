package dev.apus.server.grpc;

import io.grpc.ManagedChannel;
import io.grpc.ServerInterceptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** The bridge alone behind Netty's HTTP/2, with services of a test and grpc-java's client. */
final class BridgeFixture implements AutoCloseable {
    static final int MOST_BYTES = 100_000;

    private final MultiThreadIoEventLoopGroup loops = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final ExecutorService workers = Executors.newVirtualThreadPerTaskExecutor();
    /** Bytes of messages that calls hold. */
    final AtomicLong held = new AtomicLong();

    /** Bytes of answers that have not left. */
    final AtomicLong sending = new AtomicLong();

    private final Channel listening;
    private final ChannelGroup connections = new DefaultChannelGroup(loops.next(), true);
    final ManagedChannel channel;

    BridgeFixture(ServerServiceDefinition service) {
        this(service, List.of(), new GrpcServer.Limits(MOST_BYTES, Duration.ofSeconds(30), Duration.ofSeconds(30)));
    }

    BridgeFixture(ServerServiceDefinition service, List<ServerInterceptor> interceptors, GrpcServer.Limits limits) {
        GrpcServer server =
                new GrpcServer(List.of(service), interceptors, limits, this::admit, CallWatch.NONE, workers);
        listening = new ServerBootstrap()
                .group(loops)
                .channel(NioServerSocketChannel.class)
                .childHandler(new ChannelInitializer<>() {
                    @Override
                    protected void initChannel(Channel connection) {
                        connections.add(connection);
                        connection
                                .pipeline()
                                .addLast(
                                        Http2FrameCodecBuilder.forServer().build(),
                                        new Http2MultiplexHandler(new ChannelInitializer<>() {
                                            @Override
                                            protected void initChannel(Channel stream) {
                                                stream.pipeline().addLast(server.newStream());
                                            }
                                        }));
                    }
                })
                .bind(InetAddress.getLoopbackAddress(), 0)
                .syncUninterruptibly()
                .channel();
        channel = client().build();
    }

    private CallAdmission admit(GrpcTransport transport, Http2Headers head, String method) {
        AtomicLong mine = new AtomicLong();
        AtomicLong read = new AtomicLong();
        return new CallAdmission() {
            @Override
            public boolean brief() {
                return false;
            }

            @Override
            public boolean tryTake(long bytes) {
                held.addAndGet(bytes);
                mine.addAndGet(bytes);
                return true;
            }

            @Override
            public void reading(long bytes) {
                read.addAndGet(bytes);
            }

            @Override
            public void takeParsed(long bytes) {
                tryTake(bytes);
                reading(bytes);
            }

            @Override
            public void giveBack() {
                long bytes = read.getAndSet(0);
                mine.addAndGet(-bytes);
                held.addAndGet(-bytes);
            }

            @Override
            public void sending(long bytes) {
                sending.addAndGet(bytes);
            }

            @Override
            public void sent(long bytes) {
                sending.addAndGet(-bytes);
            }

            @Override
            public void close() {
                held.addAndGet(-mine.getAndSet(0));
            }

            @Override
            public void writable() {}

            @Override
            public void ended() {
                // Its memory is free when its callbacks have returned.
            }
        };
    }

    /** A call's memory is free a moment after its answer has come. */
    void awaitNothingHeld() throws InterruptedException {
        long end = System.nanoTime() + 10_000_000_000L;
        while (held.get() != 0 || sending.get() != 0) {
            if (System.nanoTime() > end) {
                throw new AssertionError(held + " bytes of messages and " + sending + " of answers are still held");
            }
            Thread.sleep(2);
        }
    }

    NettyChannelBuilder client() {
        return NettyChannelBuilder.forAddress((InetSocketAddress) listening.localAddress())
                .usePlaintext();
    }

    RawStream raw() {
        return new RawStream((InetSocketAddress) listening.localAddress());
    }

    @Override
    public void close() {
        channel.shutdownNow();
        listening.close().syncUninterruptibly();
        connections.close().awaitUninterruptibly();
        loops.shutdownGracefully(0, 2, TimeUnit.SECONDS).syncUninterruptibly();
        workers.shutdownNow();
    }
}
