package dev.apus.server.http;

import dev.apus.server.auth.SecurityOptions;
import dev.apus.server.batch.BatchOptions;
import dev.apus.server.tls.TlsOptions;
import java.time.Duration;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Where the server listens and what it grants a client. Made by {@link #builder}.
 *
 * @param host address to listen on; the loopback address by default, because there are no keys by default
 * @param port TCP port; 0 takes a free one
 * @param ioThreads event loops; 0 means one for two cores, at most 4
 * @param maxHeaderBytes most bytes of a request's header fields (431 beyond)
 * @param maxBodyBytes most bytes of a request's body (413 beyond)
 * @param maxBufferedBytes most bytes of heap for requests that are being received or parsed and for answers on their way (503 beyond): a body
 *     takes eight times its length, and what it becomes when parsed
 * @param maxPendingBytes most bytes of answer kept for a client that does not read; its request is aborted beyond
 * @param maxConnections most open connections (503 beyond)
 * @param h2MaxConcurrentStreams most streams that an HTTP/2 connection may have open (refused beyond)
 * @param readTimeout how long a client may take to send one request, from its first byte to its last
 * @param idleTimeout how long a connection may be open without a request
 * @param stallTimeout how long a client may read nothing while there is something for it
 * @param requestTimeout how long a request may take in the engine; zero means for ever
 * @param allowedHosts names in the Host header that are answered besides the loopback's and {@code host}, {@code *} for all; none by default,
 *     which on any other address than the loopback's means all
 * @param allowedOrigins origins whose web pages may call the server (CORS), {@code *} for all; none by default
 * @param api what is decided about requests for text
 * @param tls the files for TLS; null for none
 * @param watch what is told of requests
 * @param security who may do what; without keys whoever reaches the server
 * @param batches where files and batches are kept; null for none
 */
public record HttpOptions(
        String host,
        int port,
        int ioThreads,
        int maxHeaderBytes,
        int maxBodyBytes,
        long maxBufferedBytes,
        int maxPendingBytes,
        int maxConnections,
        int h2MaxConcurrentStreams,
        Duration readTimeout,
        Duration idleTimeout,
        Duration stallTimeout,
        Duration requestTimeout,
        Set<String> allowedHosts,
        Set<String> allowedOrigins,
        ApiOptions api,
        @Nullable TlsOptions tls,
        WatchOptions watch,
        SecurityOptions security,
        @Nullable BatchOptions batches) {
    /** A smaller header limit would refuse what ordinary clients and proxies send. */
    private static final int LEAST_HEADER_BYTES = 1024;
    /** Some millions of token ids as JSON. */
    private static final int LARGE_BODY = 32 << 20;
    /** What is around a file in a form. */
    private static final int FORM_BYTES = 1 << 20;

    public HttpOptions {
        allowedHosts = Set.copyOf(allowedHosts);
        allowedOrigins = Set.copyOf(allowedOrigins);
        require(!host.isBlank(), "host", "'" + host + "'", "a name or an address");
        require(port >= 0 && port <= 65535, "port", port, "0 (any free one) to 65535");
        require(ioThreads >= 0, "ioThreads", ioThreads, "0 (automatic) or more");
        require(
                maxHeaderBytes >= LEAST_HEADER_BYTES,
                "maxHeaderBytes",
                maxHeaderBytes,
                LEAST_HEADER_BYTES + " or more");
        require(maxBodyBytes >= 1, "maxBodyBytes", maxBodyBytes, "1 or more");
        require(
                maxBufferedBytes >= (long) maxBodyBytes * MemoryBudget.PER_BODY_BYTE,
                "maxBufferedBytes",
                maxBufferedBytes,
                MemoryBudget.PER_BODY_BYTE + " times maxBodyBytes (" + maxBodyBytes + ") or more");
        require(maxPendingBytes >= 1, "maxPendingBytes", maxPendingBytes, "1 or more");
        require(maxConnections >= 1, "maxConnections", maxConnections, "1 or more");
        require(h2MaxConcurrentStreams >= 1, "h2MaxConcurrentStreams", h2MaxConcurrentStreams, "1 or more");
        require(isPositive(readTimeout), "readTimeout", readTimeout, "above 0");
        require(isPositive(idleTimeout), "idleTimeout", idleTimeout, "above 0");
        require(isPositive(stallTimeout), "stallTimeout", stallTimeout, "above 0");
        require(!requestTimeout.isNegative(), "requestTimeout", requestTimeout, "0 (none) or more");
    }

    /** Defaults to be changed and built. */
    public static Builder builder() {
        return new Builder();
    }

    /** Most bytes of a body with a file. */
    long mostUploadBytes() {
        BatchOptions files = batches;
        return files == null ? maxBodyBytes : files.maxFileBytes() + FORM_BYTES;
    }

    int ioThreadsOrAutomatic() {
        // The engine needs the cores; one loop streams tens of thousands of tokens a second.
        return ioThreads > 0 ? ioThreads : Math.clamp(Runtime.getRuntime().availableProcessors() / 2, 1, 4);
    }

    private static boolean isPositive(Duration duration) {
        return !duration.isNegative() && !duration.isZero();
    }

    private static void require(boolean holds, String name, Object value, String allowed) {
        if (!holds) {
            throw new IllegalArgumentException(name + " is " + value + ", must be " + allowed);
        }
    }

    /** Sets some options and leaves the others at their defaults; the values are checked by {@link #build}. */
    public static final class Builder {
        private String host = "127.0.0.1";
        private int port = 8000;
        private int ioThreads;
        private int maxHeaderBytes = 16 << 10;
        /** 0 stands for the largest that the memory for bodies allows, up to {@link #LARGE_BODY}. */
        private int maxBodyBytes;

        /** A part of the heap: estimates may be wrong by a factor of two, and the rest of the server needs some. */
        private long maxBufferedBytes = Runtime.getRuntime().maxMemory() / 4;

        private int maxPendingBytes = 1 << 20;
        private int maxConnections = 1024;
        private int h2MaxConcurrentStreams = 1024;
        private @Nullable TlsOptions tls;
        private Duration readTimeout = Duration.ofSeconds(30);
        private Duration idleTimeout = Duration.ofSeconds(75);
        private Duration stallTimeout = Duration.ofSeconds(30);
        private Duration requestTimeout = Duration.ZERO;
        private Set<String> allowedHosts = Set.of();
        private Set<String> allowedOrigins = Set.of();
        private ApiOptions api = ApiOptions.DEFAULT;
        private WatchOptions watch = WatchOptions.NONE;
        private SecurityOptions security = SecurityOptions.NONE;
        private @Nullable BatchOptions batches;

        private Builder() {}

        public Builder host(String value) {
            host = value;
            return this;
        }

        public Builder port(int value) {
            port = value;
            return this;
        }

        public Builder ioThreads(int value) {
            ioThreads = value;
            return this;
        }

        public Builder maxHeaderBytes(int value) {
            maxHeaderBytes = value;
            return this;
        }

        public Builder maxBodyBytes(int value) {
            maxBodyBytes = value;
            return this;
        }

        public Builder maxBufferedBytes(long value) {
            maxBufferedBytes = value;
            return this;
        }

        public Builder maxPendingBytes(int value) {
            maxPendingBytes = value;
            return this;
        }

        public Builder maxConnections(int value) {
            maxConnections = value;
            return this;
        }

        public Builder h2MaxConcurrentStreams(int value) {
            h2MaxConcurrentStreams = value;
            return this;
        }

        public Builder tls(@Nullable TlsOptions value) {
            tls = value;
            return this;
        }

        public Builder readTimeout(Duration value) {
            readTimeout = value;
            return this;
        }

        public Builder idleTimeout(Duration value) {
            idleTimeout = value;
            return this;
        }

        public Builder stallTimeout(Duration value) {
            stallTimeout = value;
            return this;
        }

        public Builder requestTimeout(Duration value) {
            requestTimeout = value;
            return this;
        }

        public Builder allowedHosts(Set<String> value) {
            allowedHosts = value;
            return this;
        }

        public Builder allowedOrigins(Set<String> value) {
            allowedOrigins = value;
            return this;
        }

        public Builder api(ApiOptions value) {
            api = value;
            return this;
        }

        public Builder watch(WatchOptions value) {
            watch = value;
            return this;
        }

        public Builder security(SecurityOptions value) {
            security = value;
            return this;
        }

        public Builder batches(@Nullable BatchOptions value) {
            batches = value;
            return this;
        }

        /** @throws IllegalArgumentException naming the option that is out of its range */
        public HttpOptions build() {
            return new HttpOptions(
                    host,
                    port,
                    ioThreads,
                    maxHeaderBytes,
                    maxBodyBytes > 0
                            ? maxBodyBytes
                            : (int) Math.min(LARGE_BODY, maxBufferedBytes / MemoryBudget.PER_BODY_BYTE),
                    maxBufferedBytes,
                    maxPendingBytes,
                    maxConnections,
                    h2MaxConcurrentStreams,
                    readTimeout,
                    idleTimeout,
                    stallTimeout,
                    requestTimeout,
                    allowedHosts,
                    allowedOrigins,
                    api,
                    tls,
                    watch,
                    security,
                    batches);
        }
    }
}
