package dev.apus.server.http;

import dev.apus.models.chat.ChatTemplateException;
import dev.apus.scheduler.ServedModel;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http2.Http2Headers;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The front end's work for protocols that are not HTTP's own: who may ask, parameters, templates, tokens and the engine are the same, and
 * what differs is how a request comes and how its answer is shown. Thread-safe.
 */
public final class FrontEnd {
    /** What a call is for, and so what it must bring. */
    public enum Purpose {
        /** Tells orchestrators that the server is there; needs no key. */
        PROBE(Route.Kind.PROBE, Route.Needs.NOTHING),
        /** Tells what is served; any key will do. */
        INFORMATION(Route.Kind.ORDINARY, Route.Needs.KEY),
        /** Tells of all tenants. */
        MONITORING(Route.Kind.ORDINARY, Route.Needs.MONITOR),
        /** Uses the model without the engine. */
        TEXT(Route.Kind.ORDINARY, Route.Needs.INFERENCE),
        /** Makes the engine work: refused while the server drains. */
        GENERATION(Route.Kind.GENERATION, Route.Needs.INFERENCE);

        private final Route.Kind kind;
        private final Route.Needs needs;

        Purpose(Route.Kind kind, Route.Needs needs) {
            this.kind = kind;
            this.needs = needs;
        }
    }

    /** A call keeps its head as that of an HTTP request and as metadata. */
    private static final int HEAD_COPIES = 2;
    /** Longer ones than the header takes are as good as none. */
    private static final long MOST_TIMEOUT_NANOS = Duration.ofDays(1).toNanos();

    private static final Route.Handler NO_HANDLER = exchange -> {
        throw new IllegalStateException("a call of another protocol is not dispatched by its path");
    };

    private final ServedModel model;
    private final Dispatcher dispatcher;
    private final GenerationRoutes generation;
    private final PoolingRoutes pooling;
    private final ChatPrompts chats;
    private final TextEncoder encoder;
    private final Map<String, Route> routes = new ConcurrentHashMap<>();

    FrontEnd(
            ServedModel model,
            Dispatcher dispatcher,
            GenerationRoutes generation,
            PoolingRoutes pooling,
            ChatPrompts chats,
            TextEncoder encoder) {
        this.model = model;
        this.dispatcher = dispatcher;
        this.generation = generation;
        this.pooling = pooling;
        this.chats = chats;
        this.encoder = encoder;
    }

    /**
     * Begins a call; its headers are those of HTTP. They take memory until the session is closed.
     *
     * @param path of the method, which must be one of few: it is a label of metrics
     * @param timeoutNanos after how long the caller gives up, or null for never; the engine gives up then, too
     * @throws ApiException if the caller may not ask, or the server takes no more
     */
    public CallSession begin(
            Caller caller, Http2Headers head, String path, Purpose purpose, @Nullable Long timeoutNanos) {
        HttpRequest request = Http2Head.request(head);
        if (timeoutNanos != null) {
            setTimeout(request.headers(), timeoutNanos);
        }
        dispatcher.checkHead(request);
        Route route =
                routes.computeIfAbsent(path, name -> new Route("POST", name, purpose.kind, purpose.needs, NO_HANDLER));
        if (purpose != Purpose.PROBE) {
            ConnectionMemory.checkUnread(caller.connection());
        }
        MemoryBudget.Share memory = dispatcher.memory().share();
        if (!memory.tryTake(HEAD_COPIES * Http2Head.bytes(head))) {
            throw MemoryBudget.spent();
        }
        CallSession session = new CallSession(this, caller, request, route, memory);
        try {
            session.check();
            if (purpose == Purpose.GENERATION && dispatcher.isDraining()) {
                throw ApiException.unavailable("the server is shutting down and takes no more requests");
            }
        } catch (ApiException e) {
            session.close();
            throw e;
        }
        return session;
    }

    /** As if the caller had sent the header, unless it has: then that is its wish, or is refused. */
    private static void setTimeout(HttpHeaders headers, long nanos) {
        if (!headers.contains(Slo.TIMEOUT) && nanos > 0 && nanos < MOST_TIMEOUT_NANOS) {
            headers.set(Slo.TIMEOUT, BigDecimal.valueOf(nanos, 9).toPlainString());
        }
    }

    /** A call has come; its method is one of the server's, or {@link GrpcMethod#UNKNOWN}. */
    public void callBegan(GrpcMethod method) {
        dispatcher.reports().callBegan(method);
    }

    /** A call has ended, whether it was let in or not. Once for each that has begun. */
    public void callEnded(CallEnd call) {
        dispatcher.reports().callEnded(call);
    }

    /** What is served. */
    public ServedModel model() {
        return model;
    }

    /** Whether requests for text are refused because the server stops. */
    public boolean isDraining() {
        return dispatcher.isDraining();
    }

    /** Whether requests for text are refused until an administrator resumes. */
    public boolean isPaused() {
        return dispatcher.isPaused();
    }

    /** Whether requests for text are answered. */
    public boolean isReady() {
        return !dispatcher.isDraining()
                && !dispatcher.isPaused()
                && model.engine().stats().alive();
    }

    /** Whether a client's text is safe and short enough to be an id in headers, answers and logs. */
    public static boolean isRequestId(String text) {
        return Exchange.isRequestId(text);
    }

    /** An id for a request whose client gave none that can be used. */
    public static String newRequestId() {
        return Exchange.newRequestId();
    }

    /** Of the server. */
    public static String version() {
        return InfoRoutes.version();
    }

    Dispatcher dispatcher() {
        return dispatcher;
    }

    GenerationRoutes generation() {
        return generation;
    }

    PoolingRoutes pooling() {
        return pooling;
    }

    ChatPrompts chats() {
        return chats;
    }

    TextEncoder encoder() {
        return encoder;
    }

    /** Runs what reads a request; a template that cannot render it is the request's fault. */
    static void reading(Runnable work) {
        try {
            work.run();
        } catch (ChatTemplateException e) {
            throw ApiException.badRequest("the chat template cannot render this request: " + e.getMessage());
        }
    }
}
