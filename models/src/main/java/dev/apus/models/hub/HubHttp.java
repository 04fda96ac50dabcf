package dev.apus.models.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * GET and HEAD requests to one hub: redirects followed by hand, so that the token never leaves the hub's own origin, and every
 * answer but success turned into an exception that says whether trying again can help.
 */
final class HubHttp implements AutoCloseable {
    /** Hubs redirect once or twice, to their store; what goes on is a loop. */
    private static final int MAX_REDIRECTS = 10;

    /** The JDK's own setting: schemes of credentials that are not sent to a proxy for a tunnel. */
    private static final String TUNNEL_SCHEMES = "jdk.http.auth.tunneling.disabledSchemes";
    /** A server that wants a longer pause is told to the user instead of waited for. */
    private static final Duration MAX_RETRY_AFTER = Duration.ofSeconds(60);

    private final HttpClient client;
    private final HubOptions options;
    private final URI endpoint;
    private final Map<String, String> credentials;

    /** @param credentials headers for requests to {@code endpoint}'s own origin only */
    HubHttp(HubOptions options, URI endpoint, Map<String, String> credentials) {
        this.options = options;
        this.endpoint = endpoint;
        this.credentials = Map.copyOf(credentials);
        HttpClient.Builder builder = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1) // one connection a file: faster for large bodies than sharing one
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(options.connectTimeout());
        HubProxy proxy = options.proxy();
        if (proxy != null) {
            builder.proxy(proxy.selector());
        }
        if (proxy != null && proxy.credentials() != null && System.getProperty(TUNNEL_SCHEMES) == null) {
            // The JDK drops Basic credentials on the way to a tunnel unless told otherwise before its client's first
            // use. Who writes a
            // password into the proxy's address wants it sent there.
            System.setProperty(TUNNEL_SCHEMES, "");
        }
        this.client = builder.build();
    }

    /**
     * An answer with status 200 or 206; the receiver closes the body.
     *
     * @param status 200 or 206
     * @param headers of the last host
     * @param hubHeaders of the hub itself, before any redirect: they tell the linked file's hash and size
     * @param body the content, not yet read
     */
    record Answer(int status, HttpHeaders headers, HttpHeaders hubHeaders, InputStream body) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            body.close();
        }

        /** A header's value, or null. */
        @Nullable
        String header(String name) {
            return headers.firstValue(name).orElse(null);
        }
    }

    /** A failure that may pass: a broken connection, 429, 5xx. */
    static final class Transient extends IOException {
        private static final long serialVersionUID = 1L;
        private final transient @Nullable Duration retryAfter;

        Transient(String message, @Nullable Duration retryAfter) {
            super(message);
            this.retryAfter = retryAfter;
        }

        /** How long the server asked to wait, or null. */
        @Nullable
        Duration retryAfter() {
            return retryAfter;
        }
    }

    /**
     * Sends a request and follows redirects.
     *
     * @throws HubException for answers that another try would not change; the message says what to do
     * @throws Transient for those it may
     * @throws IOException if the connection breaks
     */
    Answer send(String method, URI address, Map<String, String> extra) throws IOException, InterruptedException {
        URI at = address;
        HttpHeaders hubHeaders = null;
        for (int hop = 0; hop <= MAX_REDIRECTS; hop++) {
            HttpResponse<InputStream> response = sendOnce(method, at, extra);
            if (hubHeaders == null || sameOrigin(at)) {
                hubHeaders = response.headers();
            }
            int status = response.statusCode();
            if (status == 200 || status == 206) {
                return new Answer(status, response.headers(), hubHeaders, response.body());
            }
            discard(response.body());
            if (status < 300 || status >= 400 || status == 304) {
                throw failure(status, at, response.headers());
            }
            at = target(at, response.headers());
        }
        throw new HubException(address + " redirects more than " + MAX_REDIRECTS + " times, last to " + plain(at));
    }

    /** @param body null where a proxy refused a tunnel */
    private static void discard(@Nullable InputStream body) throws IOException {
        if (body != null) {
            body.close();
        }
    }

    private HttpResponse<InputStream> sendOnce(String method, URI at, Map<String, String> extra)
            throws IOException, InterruptedException {
        lookUp(at);
        HttpRequest.Builder request = HttpRequest.newBuilder(at)
                .method(method, HttpRequest.BodyPublishers.noBody())
                .header("User-Agent", "apus")
                .timeout(options.connectTimeout().plus(options.readTimeout()));
        extra.forEach(request::header);
        if (sameOrigin(at)) {
            credentials.forEach(request::header);
        }
        String forProxy = proxied(at) ? proxyCredentials() : null;
        if (forProxy != null) {
            request.header("Proxy-Authorization", forProxy);
        }
        try {
            return client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
        } catch (HttpConnectTimeoutException e) {
            throw new HubException(
                    plain(at) + " cannot be reached: no connection within "
                            + options.connectTimeout().toMillis() + " ms",
                    e);
        } catch (ConnectException e) {
            String reason = e.getMessage() == null ? "connection refused" : e.getMessage();
            throw new HubException(plain(at) + " cannot be reached: " + reason, e);
        }
    }

    /** Looks the host up under the connect timeout, which the client applies to the connection alone: dead resolvers take long. */
    private void lookUp(URI at) throws InterruptedException {
        if (proxied(at) || (options.proxy() == null && System.getProperty("https.proxyHost") != null)) {
            return; // the proxy looks it up
        }
        CompletableFuture<Void> found = new CompletableFuture<>();
        // ends by itself when the resolver gives up: a look-up cannot be interrupted
        Thread.ofVirtual().name("apus-hub-look-up").start(() -> {
            try {
                InetAddress.getByName(at.getHost());
                found.complete(null);
            } catch (UnknownHostException e) {
                found.completeExceptionally(e);
            }
        });
        try {
            found.get(options.connectTimeout().toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw new HubException(plain(at) + " cannot be reached: the host's name does not resolve", e);
        } catch (TimeoutException e) {
            throw new HubException(
                    plain(at) + " cannot be reached: the host's name did not resolve within "
                            + options.connectTimeout().toMillis() + " ms",
                    e);
        }
    }

    private boolean proxied(URI at) {
        HubProxy proxy = options.proxy();
        return proxy != null && proxy.serves(at);
    }

    private @Nullable String proxyCredentials() {
        HubProxy proxy = options.proxy();
        return proxy == null ? null : proxy.credentials();
    }

    /** 407 comes from the proxy, whatever address was asked for. */
    private HubException proxyRefuses(URI at) {
        HubProxy proxy = options.proxy();
        String name = proxy == null ? "the JVM's proxy" : "the proxy " + proxy.host() + ":" + proxy.port();
        String advice = proxyCredentials() == null
                ? "wants credentials: give them as HTTPS_PROXY=http://user:password@host:port"
                : "refuses the user and password in its address: correct HTTPS_PROXY; only the Basic scheme is supported";
        return new HubException(name + " does not let through to " + plain(at) + " (407): it " + advice
                + ", or name the host in NO_PROXY if it can be reached without it");
    }

    private URI target(URI from, HttpHeaders headers) {
        String location = headers.firstValue("location").orElse("");
        URI to;
        try {
            to = from.resolve(URI.create(location));
        } catch (IllegalArgumentException e) {
            throw new HubException(plain(from) + " redirects to " + Names.quote(location) + ", which is no address", e);
        }
        String scheme = String.valueOf(to.getScheme());
        boolean secure = scheme.equalsIgnoreCase("https");
        boolean allowed = secure || (scheme.equalsIgnoreCase("http") && !"https".equalsIgnoreCase(from.getScheme()));
        if (location.isEmpty() || to.getHost() == null || !allowed) {
            throw new HubException(plain(from) + " redirects to " + Names.quote(location)
                    + "; only http and https are followed, and never from https to http");
        }
        return to;
    }

    private boolean sameOrigin(URI at) {
        return endpoint.getScheme().equalsIgnoreCase(at.getScheme())
                && endpoint.getHost().equalsIgnoreCase(at.getHost())
                && endpoint.getPort() == at.getPort();
    }

    private IOException failure(int status, URI at, HttpHeaders headers) throws Transient {
        String where = plain(at) + " answers " + status;
        String code = headers.firstValue("x-error-code").orElse("");
        return switch (status) {
            case 401, 403 ->
                throw new HubException(where
                        + (code.equals("GatedRepo") ? " (the model is gated)" : "")
                        + ": the model is gated, private or not there; accept its licence on the hub's page and set the"
                        + " hub's token (HF_TOKEN or MODELSCOPE_API_TOKEN) to one that may read it");
            case 407 -> throw proxyRefuses(at);
            case 404, 410 ->
                throw new HubException(where + ": not found there"
                        + (code.isEmpty() ? "" : " (" + Names.quote(code) + ")")
                        + "; check the name and the revision");
            case 416 -> throw new RangeRefused(where + ": the range is refused");
            default -> {
                if (status != 408 && status != 429 && status < 500) {
                    throw new HubException(where + ", which is not understood here");
                }
                Duration wait = retryAfter(headers);
                if (wait != null && wait.compareTo(MAX_RETRY_AFTER) > 0) {
                    throw new HubException(where + " and asks to come again in " + wait.toSeconds() + " seconds");
                }
                yield new Transient(where, wait);
            }
        };
    }

    /** The server has no such range: what is kept of the file is no beginning of it. */
    static final class RangeRefused extends HubException {
        private static final long serialVersionUID = 1L;

        RangeRefused(String message) {
            super(message);
        }
    }

    private static @Nullable Duration retryAfter(HttpHeaders headers) {
        String value = headers.firstValue("retry-after").orElse("").strip();
        if (value.matches("\\d{1,9}")) {
            return Duration.ofSeconds(Long.parseLong(value));
        }
        try {
            ZonedDateTime when = ZonedDateTime.parse(value, DateTimeFormatter.RFC_1123_DATE_TIME);
            Duration wait = Duration.between(ZonedDateTime.now(when.getZone()), when);
            return wait.isNegative() ? Duration.ZERO : wait;
        } catch (DateTimeParseException e) {
            return null; // none, or none that can be read: our own pauses hold
        }
    }

    /** An address without its query: signed addresses carry credentials there. */
    private static String plain(URI at) {
        String text = at.toString();
        int query = text.indexOf('?');
        return query < 0 ? text : text.substring(0, query);
    }

    /** Breaks off what still runs and ends the client's threads. */
    @Override
    public void close() {
        client.shutdownNow();
        client.close();
    }
}
