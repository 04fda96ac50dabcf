package dev.apus.server.http;

import dev.apus.models.chat.ChatTemplateException;
import dev.apus.server.auth.Admission;
import dev.apus.server.auth.QuotaException;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpVersion;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What all connections share: finds an exchange's route, runs its handler on a virtual thread, accounts for bodies. Thread-safe. */
final class Dispatcher {
    private static final Logger LOG = LoggerFactory.getLogger(Dispatcher.class);
    private static final String CORS_METHODS = "GET, POST, DELETE, OPTIONS";
    /** All: OpenAI's clients send headers of their own from a page; the asterisk alone would leave out the first. */
    private static final String CORS_HEADERS = "authorization, *";

    private static final String CORS_EXPOSED =
            "x-request-id, request-id, retry-after, warning, www-authenticate, " + RateLimits.NAMES;

    private final HttpOptions options;
    private final List<Route> routes;
    private final RequestReports reports;
    private final InFlight inFlight;
    private final ExecutorService workers;
    private final MemoryBudget memory;
    private final AllowedHosts hosts;
    private final Access access;

    /** @param bound name or address that it is asked at */
    Dispatcher(
            HttpOptions options,
            String bound,
            MemoryBudget memory,
            List<Route> routes,
            Access access,
            RequestReports reports,
            InFlight inFlight,
            ExecutorService workers) {
        this.options = options;
        this.routes = List.copyOf(routes);
        this.access = access;
        this.reports = reports;
        this.inFlight = inFlight;
        this.workers = workers;
        hosts = new AllowedHosts(bound, options.allowedHosts());
        this.memory = memory;
    }

    HttpOptions options() {
        return options;
    }

    List<Route> routes() {
        return routes;
    }

    /** Hears of the ends of requests. */
    RequestReports reports() {
        return reports;
    }

    boolean isDraining() {
        return inFlight.isDraining();
    }

    /** Whether requests for text are refused until an administrator resumes. */
    boolean isPaused() {
        return inFlight.isPaused();
    }

    /** Whether there are keys, so that a client must show one. */
    boolean needsKeys() {
        return access.needsKeys();
    }

    /** What all requests together may take of the heap. */
    MemoryBudget memory() {
        return memory;
    }

    /** @throws ApiException if the head asks for what this server does not understand, or is for another server */
    void checkHead(HttpRequest request) {
        HttpVersion version = request.protocolVersion();
        boolean http11 = version.equals(HttpVersion.HTTP_1_1);
        if (!http11 && !version.equals(HttpVersion.HTTP_1_0)) {
            throw new ApiException(505, "the version is " + version + ", must be HTTP/1.1 or HTTP/1.0", null, null, 0);
        }
        List<String> hosts = request.headers().getAll(HttpHeaderNames.HOST);
        if (http11 && hosts.size() != 1) {
            throw ApiException.badRequest("a request must have one Host header");
        }
        String authority = Exchange.authority(request.uri());
        if (authority != null) {
            // It counts, and the Host header does not (RFC 9112, 3.2.2).
            checkHost(authority);
            if (!hosts.isEmpty() && !hosts.getFirst().strip().equalsIgnoreCase(authority)) {
                throw ApiException.badRequest("the Host header differs from the host of the request's target");
            }
        } else {
            hosts.forEach(this::checkHost);
        }
        List<String> codings = request.headers().getAll(HttpHeaderNames.TRANSFER_ENCODING);
        if (!codings.isEmpty()
                && !(http11 && codings.size() == 1 && codings.getFirst().strip().equalsIgnoreCase("chunked"))) {
            throw new ApiException(
                    501,
                    "the transfer encoding is '" + shorten(String.join(", ", codings))
                            + "', only chunked is understood, and only in HTTP/1.1",
                    null,
                    "unsupported_transfer_encoding",
                    0);
        }
    }

    private void checkHost(String host) {
        if (!hosts.allows(host)) {
            throw new ApiException(
                    403,
                    "the request is for the host '" + shorten(host)
                            + "', this server answers to localhost and the names of" + " --allowed-hosts",
                    null,
                    "host_not_allowed",
                    0);
        }
    }

    /** @throws ApiException if a body of so many bytes is more than the route takes */
    void checkLength(Exchange exchange, long bytes) {
        long most = takesStream(exchange) ? options.mostUploadBytes() : options.maxBodyBytes();
        if (bytes > most) {
            throw ApiException.tooLarge(most);
        }
    }

    private boolean takesStream(Exchange exchange) {
        for (Route route : routes) {
            if (route.takesStream()
                    && route.matches(exchange.path())
                    && route.answers(exchange.method().name())) {
                return true;
            }
        }
        return false;
    }

    /**
     * Hands the request on before its body has come, which the exchange takes as a stream from now on. On the event loop.
     *
     * @param room called when the client may be read again
     * @throws ApiException if the memory is spent
     */
    void dispatchStream(Route route, Exchange exchange, Runnable room) {
        if (!exchange.memory().tryTake(2L * BodyStream.MOST_WAITING)) {
            throw MemoryBudget.spent();
        }
        exchange.openBody(options.mostUploadBytes(), room);
        dispatch(route, exchange);
    }

    /** The route that makes the engine work at a path. */
    Route generation(String path) {
        return routes.stream()
                .filter(route -> route.generates() && route.path().equals(path))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("nothing generates at " + path));
    }

    /** Whether the client waits for a word before it sends the body. */
    static boolean expectsContinue(HttpRequest request) {
        String expect = request.headers().get(HttpHeaderNames.EXPECT);
        if (expect == null || request.protocolVersion().equals(HttpVersion.HTTP_1_0)) {
            return false;
        }
        if (!expect.equalsIgnoreCase("100-continue")) {
            throw new ApiException(417, "only the expectation 100-continue is known", null, null, 0);
        }
        return true;
    }

    /**
     * The route of an exchange before its body is read.
     *
     * @return null if the exchange was answered already (a CORS preflight or OPTIONS)
     * @throws ApiException if there is none
     */
    @Nullable
    Route route(Exchange exchange) {
        allowOrigin(exchange);
        String path = exchange.path();
        Set<String> allowed = new TreeSet<>();
        for (Route route : routes) {
            if (route.matches(path) && route.suits(exchange.headers())) {
                exchange.route(route.path());
                if (route.answers(exchange.method().name())) {
                    access.check(exchange, route.needs());
                    checkContent(route, exchange);
                    enter(route, exchange);
                    return route;
                }
                allowed.add(route.method());
            }
        }
        boolean options = exchange.method().equals(HttpMethod.OPTIONS);
        if (!options || allowed.isEmpty()) {
            // Those without a key do not learn what there is; browsers ask for the options without one.
            access.check(exchange, Route.Needs.KEY);
        }
        if (allowed.isEmpty()) {
            throw new ApiException(
                    404, "there is nothing at " + exchange.method() + " " + shorten(path), null, "not_found", 0);
        }
        allowed.add("OPTIONS");
        exchange.header("allow", String.join(", ", allowed));
        if (options) {
            exchange.respond(204, "", new byte[0]);
            return null;
        }
        throw new ApiException(
                405,
                shorten(path) + " does not answer " + exchange.method() + ", use " + String.join(" or ", allowed),
                null,
                "method_not_allowed",
                0);
    }

    /**
     * Lets in what comes by a path of another protocol: checks who sends it, and counts it if it makes the engine work.
     *
     * @throws ApiException if it may not
     */
    void admit(Exchange exchange, Route route) {
        check(exchange, route);
        enter(route, exchange);
    }

    /** Checks who sends it only. @throws ApiException if he may not */
    void check(Exchange exchange, Route route) {
        exchange.route(route.path());
        access.check(exchange, route.needs());
    }

    /** Runs the handler, on a virtual thread unless it is a probe's; what the request takes of the memory goes back to the budget when it is done. */
    void dispatch(Route route, Exchange exchange) {
        if (route.inline()) {
            run(route, exchange);
        } else {
            try {
                workers.execute(() -> run(route, exchange));
            } catch (RejectedExecutionException e) {
                // The server's threads end; connections are open for a moment longer.
                exchange.body(new byte[0]);
                exchange.memory().close();
                exchange.closeAfter();
                exchange.respond(ApiException.unavailable("the server is shutting down"));
            }
        }
    }

    private static void run(Route route, Exchange exchange) {
        ApiException error;
        try {
            error = handle(route, exchange);
        } finally {
            exchange.body(new byte[0]);
            exchange.memory().close();
        }
        if (error != null) {
            exchange.respond(error);
        }
    }

    /** Returns what is wrong with the request, if anything. */
    private static @Nullable ApiException handle(Route route, Exchange exchange) {
        try {
            exchange.memory().take(MemoryBudget.treeBytes(exchange.body()));
            route.handler().handle(exchange);
            return null;
        } catch (ApiException e) {
            return e;
        } catch (ChatTemplateException e) {
            return ApiException.badRequest("the chat template cannot render this request: " + e.getMessage());
        } catch (Throwable e) {
            LOG.error("request {} to {} failed", exchange.requestId(), route.path(), e);
            ApiException failure = new ApiException(
                    500,
                    "the server failed on this request, see its log for " + exchange.requestId(),
                    null,
                    "internal_error",
                    0);
            if (e instanceof VirtualMachineError fatal && !(e instanceof StackOverflowError)) {
                exchange.respond(failure);
                throw fatal;
            }
            return failure;
        }
    }

    /** From here on a stop waits for it. */
    private void enter(Route route, Exchange exchange) {
        if (!route.generates()) {
            return;
        }
        Admission admission;
        try {
            admission = access.admit(exchange);
        } catch (QuotaException e) {
            throw Refusal.told(e, reports.metrics());
        }
        if (!inFlight.enter(exchange)) {
            admission.leave();
            throw ApiException.unavailable(
                    inFlight.isDraining() ? "the server is shutting down and takes no more requests" : InFlight.PAUSED);
        }
        exchange.onLeft(() -> {
            admission.leave();
            inFlight.leave(exchange);
        });
    }

    /** A form or plain text could be sent by any web page without asking, so only JSON is taken; files only of pages that may. */
    private void checkContent(Route route, Exchange exchange) {
        if (!exchange.method().equals(HttpMethod.POST)) {
            return;
        }
        HttpHeaders headers = exchange.headers();
        if (route.takesStream()) {
            checkOrigin(headers);
        }
        String type = headers.get(HttpHeaderNames.CONTENT_TYPE, "");
        boolean order = route.needs() == Route.Needs.ADMIN || !route.takesBody();
        if (type.isEmpty() && order && !headers.contains(HttpHeaderNames.ORIGIN)) {
            // Orders without a body, as vLLM's and OpenAI's clients send them. Web pages, which could send them too,
            // tell their origin.
            return;
        }
        String media = type.split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
        String wanted = route.takesStream() ? "multipart/form-data" : "application/json";
        if (!media.equals(wanted)) {
            throw new ApiException(
                    415,
                    "the content type is '" + shorten(type) + "', must be " + wanted,
                    null,
                    "unsupported_media_type",
                    0);
        }
        String encoding = headers.get(HttpHeaderNames.CONTENT_ENCODING, "identity");
        if (!encoding.equalsIgnoreCase("identity")) {
            throw new ApiException(
                    415,
                    "the content encoding is '" + shorten(encoding) + "', only plain bodies are taken",
                    null,
                    "unsupported_content_encoding",
                    0);
        }
    }

    private void checkOrigin(HttpHeaders headers) {
        String origin = headers.get(HttpHeaderNames.ORIGIN);
        String host = headers.get(HttpHeaderNames.HOST, "");
        boolean own = origin != null && (origin.equals("http://" + host) || origin.equals("https://" + host));
        Set<String> allowed = options.allowedOrigins();
        if (origin != null && !own && !allowed.contains("*") && !allowed.contains(origin)) {
            throw new ApiException(
                    403,
                    "pages of '" + shorten(origin) + "' may not send files here; allow them with --allowed-origins",
                    null,
                    "origin_not_allowed",
                    0);
        }
    }

    private void allowOrigin(Exchange exchange) {
        String origin = exchange.headers().get(HttpHeaderNames.ORIGIN);
        if (origin == null) {
            return;
        }
        if (options.allowedOrigins().contains("*")) {
            exchange.header("access-control-allow-origin", "*");
        } else if (options.allowedOrigins().contains(origin)) {
            exchange.header("access-control-allow-origin", origin);
            exchange.header("vary", "origin");
        } else {
            return;
        }
        if (exchange.method().equals(HttpMethod.OPTIONS)) {
            exchange.header("access-control-allow-methods", CORS_METHODS);
            exchange.header("access-control-allow-headers", CORS_HEADERS);
            exchange.header("access-control-max-age", "600");
        } else {
            exchange.header("access-control-expose-headers", CORS_EXPOSED);
        }
    }

    private static String shorten(String text) {
        return text.length() <= 100 ? text : text.substring(0, 100) + "...";
    }
}
