package dev.apus.server.http;

import dev.apus.scheduler.ServedModel;
import dev.apus.server.auth.KeyStore;
import dev.apus.server.auth.SecurityOptions;
import dev.apus.server.tls.TlsCertificates;
import dev.apus.server.tls.TlsOptions;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves a model over HTTP with OpenAI's API, gRPC, health probes and Prometheus metrics.
 *
 * <p>Event loops move bytes, answer probes and make text of tokens; virtual threads parse, render and tokenise, long texts on a few
 * threads of their own; the engine's thread only queues events.
 * The server does not own the model's engine: close the server first.
 */
// Netty futures: a failed write or close ends the channel, of which channelInactive tells.
@SuppressWarnings("FutureReturnValueIgnored")
public final class HttpServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HttpServer.class);
    /** Clients that connect in the same moment: as many as may be connected by default. The system may allow fewer. */
    private static final int BACKLOG = 1024;
    /** Connections beyond the limit for those who watch the server: else idle clients could make an orchestrator restart it. */
    private static final int WATCHERS = 16;
    /** A slow reader's channel counts as full at the second and as free again at the first. */
    private static final WriteBufferWaterMark WATER_MARK = new WriteBufferWaterMark(32 << 10, 64 << 10);
    /** After aborted requests: time for their last chunks to go out. */
    private static final Duration LAST_WORDS = Duration.ofSeconds(2);

    private static final byte[] TOO_MANY = tooMany();

    private final MultiThreadIoEventLoopGroup loops;
    private final ExecutorService workers;
    private final TextEncoder encoder;
    private final ServerMetrics metrics;
    private final RequestReports reports;
    private final @Nullable TlsCertificates tls;
    private final KeyStore keys;
    private final InFlight inFlight = new InFlight();
    private final BatchService batches;
    private final Dispatcher dispatcher;
    private final ChannelGroup open;
    private final Channel listening;
    private final @Nullable Channel administering;

    private HttpServer(ServedModel model, HttpOptions options, Grpc grpc) {
        TlsOptions tlsOptions = options.tls();
        tls = tlsOptions == null ? null : new TlsCertificates(tlsOptions);
        keys = new KeyStore(options.security());
        boolean epoll = Epoll.isAvailable();
        loops = new MultiThreadIoEventLoopGroup(
                options.ioThreadsOrAutomatic(),
                new DefaultThreadFactory("apus-http", true),
                epoll ? EpollIoHandler.newFactory() : NioIoHandler.newFactory());
        // Channels that come while it is closed are closed at once.
        open = new DefaultChannelGroup(loops.next(), true);
        workers = Executors.newThreadPerTaskExecutor(
                Thread.ofVirtual().name("apus-http-worker-", 0).factory());
        encoder = new TextEncoder(model.tokenizer(), model.maxModelLength());
        metrics = new ServerMetrics(model);
        reports = new RequestReports(metrics, options.watch(), model.name());
        Map<EventExecutor, EventPump> pumps = new HashMap<>();
        for (EventExecutor loop : loops) {
            pumps.put(loop, new EventPump(loop));
        }
        JsonBody json = new JsonBody(options.maxBodyBytes(), options.maxBufferedBytes());
        List<Route> routes = new ArrayList<>();
        Generator generator = new Generator(model, options, metrics, workers, pumps);
        GenerationRoutes generation = new GenerationRoutes(model, options.api(), json, encoder, generator);
        routes.addAll(generation.routes());
        ChatPrompts chats = new ChatPrompts(model, json, options.api());
        SpecReader specs = new SpecReader(model, options.api());
        ResponseStore responses = new ResponseStore(ResponseStore.Limits.of(options.api()), System::nanoTime);
        routes.addAll(new ResponsesRoutes(model, json, encoder, specs, chats, generator, responses).routes());
        routes.addAll(new MessagesRoutes(model, json, encoder, specs, chats, generator).routes());
        PoolingInputs inputs = new PoolingInputs(model, encoder);
        PoolingCall pooling = new PoolingCall(model, options, metrics);
        PoolingRoutes embeddings = new PoolingRoutes(model, json, inputs, pooling);
        routes.addAll(embeddings.routes());
        routes.addAll(new RankingRoutes(model, json, inputs, pooling).routes());
        routes.addAll(new ConsoleRoutes().routes());
        routes.addAll(new RequestRoutes(model.engine(), inFlight).routes());
        routes.addAll(new InfoRoutes(model, json, encoder, metrics, inFlight, options.api(), () -> routes).routes());
        batches = new BatchService(options.batches());
        routes.addAll(new FileRoutes(batches).routes());
        routes.addAll(new BatchRoutes(json, batches).routes());
        List<Route> admin = new AdminRoutes(model, options, json, inFlight).routes();
        SecurityOptions.Address adminAddress = options.security().admin();
        if (adminAddress == null) {
            routes.addAll(admin);
        }
        MemoryBudget memory = new MemoryBudget(options.maxBufferedBytes());
        Access access = access(model, options.host());
        dispatcher = new Dispatcher(options, options.host(), memory, routes, access, reports, inFlight, workers);
        startBatches(new BatchCalls(model, dispatcher, inFlight, access, loops));
        FrontEnd front = new FrontEnd(model, dispatcher, generation, embeddings, chats, encoder);
        Protocols protocols = new Protocols(dispatcher, grpc.streams(front, options, workers), tls, workers);
        Connections ordinary = new Connections(protocols, options.maxConnections());
        Channel first = bind(epoll, options.host(), options.port(), ordinary, null);
        if (adminAddress != null) {
            List<Route> all = new ArrayList<>(admin);
            routes.stream().filter(Route::watches).forEach(all::add);
            String host = adminAddress.host();
            Dispatcher orders =
                    new Dispatcher(options, host, memory, all, access(model, host), reports, inFlight, workers);
            Connections few = new Connections(new Protocols(orders, null, tls, workers), WATCHERS);
            administering = bind(epoll, host, adminAddress.port(), few, first);
        } else {
            administering = null;
        }
        listening = first;
        if (tls != null) {
            tls.watch();
        }
        LOG.debug(
                "serving '{}' on {}://{}:{} ({})",
                model.name(),
                scheme(),
                options.host(),
                port(),
                epoll ? "epoll" : "nio");
    }

    private void startBatches(BatchCalls calls) {
        try {
            batches.start(calls);
        } catch (IllegalArgumentException e) {
            closeAll();
            throw e;
        }
    }

    private Access access(ServedModel model, String host) {
        return new Access(keys::ring, AllowedHosts.resolvesToLoopback(host), model.name(), Clock.systemUTC());
    }

    /**
     * Starts to listen, without gRPC.
     *
     * @throws ListenException if the address cannot be listened on; the message says why and what to do
     * @throws IllegalArgumentException if a file for TLS is wrong; the message says which, why and what to do
     */
    public static HttpServer start(ServedModel model, HttpOptions options) {
        return start(model, options, (front, given, workers) -> null);
    }

    /** How gRPC is answered. */
    public interface Grpc {
        /**
         * What makes the handler of an HTTP/2 stream whose content type is gRPC's: it is put into the stream's channel, gets {@code
         * Http2HeadersFrame} and {@code Http2DataFrame} from the first one on, and writes the like; null if there is no gRPC.
         *
         * @param front what services ask
         * @param workers run what may block
         */
        @Nullable
        Supplier<ChannelHandler> streams(FrontEnd front, HttpOptions options, Executor workers);
    }

    /**
     * Starts to listen, with gRPC on the same port.
     *
     * @throws ListenException if the address cannot be listened on; the message says why and what to do
     * @throws IllegalArgumentException if a file for TLS is wrong; the message says which, why and what to do
     */
    public static HttpServer start(ServedModel model, HttpOptions options, Grpc grpc) {
        return new HttpServer(model, options, grpc);
    }

    /**
     * Whether {@link #start} could listen now: asked before a model is loaded for nothing.
     *
     * @throws ListenException if the address cannot be listened on; the message says why and what to do
     */
    public static void checkAddress(HttpOptions options) {
        ListenAddress.check(options.host(), options.port());
        SecurityOptions.Address admin = options.security().admin();
        if (admin != null) {
            ListenAddress.check(admin.host(), admin.port());
        }
    }

    /** The TCP port that it listens on. */
    public int port() {
        return ((InetSocketAddress) listening.localAddress()).getPort();
    }

    /** {@code https} with TLS, else {@code http}. */
    public String scheme() {
        return tls == null ? "http" : "https";
    }

    /** The TCP port that it takes the administrator's orders on: the same, unless it has one of its own. */
    public int adminPort() {
        Channel own = administering;
        return own == null ? port() : ((InetSocketAddress) own.localAddress()).getPort();
    }

    /** All that it answers, for tests. */
    List<Route> routes() {
        return dispatcher.routes();
    }

    /** Bytes of memory that requests and answers have taken, for tests. */
    long memoryTaken() {
        return dispatcher.memory().taken();
    }

    /** Makes {@code /ready} fail and refuses new requests for text with 503; those that run go on. */
    public void beginShutdown() {
        inFlight.drain();
        batches.drain();
        for (Channel connection : open) {
            connection.pipeline().fireUserEventTriggered(Protocols.Drain.BEGUN);
        }
    }

    /** Completes when, after {@link #beginShutdown}, no request for text is in flight. */
    public CompletableFuture<Void> drained() {
        return inFlight.drained();
    }

    /** Begins the shutdown, waits until all requests are answered, aborts what still runs at the deadline, and closes. */
    public void shutdown(Duration deadline) {
        beginShutdown();
        if (!awaitDrained(deadline)) {
            LOG.warn("requests still run after {} s, they are aborted", deadline.toSeconds());
            batches.abandon();
            inFlight.abortAll();
            awaitDrained(LAST_WORDS);
        }
        close();
    }

    /**
     * Before the process is replaced because its engine has ended: refuses new requests, waits so long for those in flight to be answered,
     * and writes what is kept of them. It goes on listening and answering probes, and may be shut down.
     */
    public void conclude(Duration limit) {
        beginShutdown();
        if (!awaitDrained(limit)) {
            LOG.warn("{} requests are still not answered after {} s", inFlight.count(), limit.toSeconds());
        }
        reports.close();
    }

    /** Stops listening, aborts what runs, closes all connections and ends the server's threads. */
    @Override
    public void close() {
        beginShutdown();
        // Answers that have come are written; those that have not are abandoned before they are aborted.
        batches.close();
        listening.close().awaitUninterruptibly();
        if (administering != null) {
            administering.close().awaitUninterruptibly();
        }
        inFlight.abortAll();
        // An epoll loop that ends does not reliably close its channels: their clients would wait for ever.
        open.close().awaitUninterruptibly(LAST_WORDS.toMillis());
        workers.shutdown();
        loops.shutdownGracefully(0, LAST_WORDS.toMillis(), TimeUnit.MILLISECONDS)
                .awaitUninterruptibly();
        workers.shutdownNow();
        encoder.close();
        reports.close();
        metrics.close();
        keys.close();
        if (tls != null) {
            tls.close();
        }
    }

    private boolean awaitDrained(Duration limit) {
        return drained()
                .thenApply(done -> true)
                .completeOnTimeout(false, limit.toMillis(), TimeUnit.MILLISECONDS)
                .join();
    }

    /** @param before what is closed if it fails */
    private Channel bind(boolean epoll, String host, int port, Connections initializer, @Nullable Channel before) {
        ServerBootstrap bootstrap = new ServerBootstrap()
                .group(loops)
                .channel(epoll ? EpollServerSocketChannel.class : NioServerSocketChannel.class)
                .option(ChannelOption.SO_BACKLOG, BACKLOG)
                .option(ChannelOption.SO_REUSEADDR, true)
                .childOption(ChannelOption.TCP_NODELAY, true)
                .childOption(ChannelOption.ALLOW_HALF_CLOSURE, true)
                .childOption(ChannelOption.WRITE_BUFFER_WATER_MARK, WATER_MARK)
                .childHandler(initializer);
        ChannelFuture bound = bootstrap.bind(host, port).awaitUninterruptibly();
        if (!bound.isSuccess()) {
            if (before != null) {
                before.close().awaitUninterruptibly();
            }
            closeAll();
            throw ListenAddress.failure(host, port, bound.cause());
        }
        return bound.channel();
    }

    /** What there is before it listens. */
    private void closeAll() {
        batches.close();
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        workers.shutdownNow();
        encoder.close();
        reports.close();
        metrics.close();
        keys.close();
    }

    private static byte[] tooMany() {
        ApiException error = ApiException.tooManyConnections();
        String body = new String(error.json(), StandardCharsets.US_ASCII);
        return ("HTTP/1.1 503 Service Unavailable\r\nretry-after: " + error.retryAfterSeconds()
                        + "\r\ncontent-type: application/json\r\ncontent-length: " + body.length()
                        + "\r\nconnection: close\r\n\r\n" + body)
                .getBytes(StandardCharsets.US_ASCII);
    }

    /** Sets up a connection, or turns it away if there are too many. */
    private final class Connections extends ChannelInitializer<SocketChannel> {
        private final AtomicInteger connections = new AtomicInteger();
        private final Protocols protocols;
        private final int most;

        Connections(Protocols protocols, int most) {
            this.protocols = protocols;
            this.most = most;
        }

        @Override
        protected void initChannel(SocketChannel channel) {
            open.add(channel);
            channel.closeFuture().addListener(closed -> connections.decrementAndGet());
            int count = connections.incrementAndGet();
            if (count > most + WATCHERS) {
                // With TLS there is no word that would be cheap enough.
                channel.writeAndFlush(tls == null ? Unpooled.wrappedBuffer(TOO_MANY) : Unpooled.EMPTY_BUFFER)
                        .addListener(ChannelFutureListener.CLOSE);
                return;
            }
            protocols.begin(channel, count > most);
        }
    }
}
