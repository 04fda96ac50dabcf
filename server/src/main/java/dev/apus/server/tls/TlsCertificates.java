package dev.apus.server.tls;

import dev.apus.server.tls.TlsOptions.ClientCertificates;
import io.netty.handler.codec.http2.Http2SecurityUtil;
import io.netty.handler.ssl.ApplicationProtocolConfig;
import io.netty.handler.ssl.ApplicationProtocolConfig.Protocol;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectedListenerFailureBehavior;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectorFailureBehavior;
import io.netty.handler.ssl.ApplicationProtocolNames;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.handler.ssl.SupportedCipherSuiteFilter;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.PrivateKey;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The certificate that new connections get, which follows its files: when they have changed and do not change any more, they are loaded; if
 * they are wrong, the old certificate stays and the log tells why. TLS 1.2 and 1.3 by the JDK's provider, HTTP/2 by ALPN. Thread-safe.
 */
public final class TlsCertificates implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(TlsCertificates.class);
    private static final String CERTIFICATES = "the certificate file";
    private static final String KEY = "the key file";
    private static final String AUTHORITIES = "the file of authorities";

    private record Loaded(SslContext context, X509Certificate own, String digest) {}

    private final TlsOptions options;
    private volatile SslContext current;
    private @Nullable ScheduledExecutorService watcher;
    /** The watcher's: of the files that are in use or were refused, and those seen last. */
    private String judged;

    private String seen;

    /** @throws IllegalArgumentException naming the file that is wrong, why, and what to do */
    public TlsCertificates(TlsOptions options) {
        this.options = options;
        Loaded loaded = load(options);
        current = loaded.context;
        judged = loaded.digest;
        seen = loaded.digest;
        tell(loaded.own);
    }

    /**
     * Whether the files are good: asked before a model is loaded for nothing.
     *
     * @throws IllegalArgumentException naming the file that is wrong, why, and what to do
     */
    public static void check(TlsOptions options) {
        load(options);
    }

    /**
     * Whether an authority has signed the certificate and it names the host, so that a client which knows the authority needs to be told
     * nothing.
     *
     * @param host a name or an address
     */
    public static boolean vouchedFor(TlsOptions options, String host) {
        X509Certificate own = files(options).get(0).certificates().getFirst();
        if (own.getIssuerX500Principal().equals(own.getSubjectX500Principal())) {
            return false;
        }
        try {
            Collection<List<?>> names = own.getSubjectAlternativeNames();
            // Each is a kind and a value.
            return names != null && names.stream().anyMatch(name -> host.equals(name.get(1)));
        } catch (CertificateParsingException e) {
            throw new IllegalArgumentException(
                    "the names in the certificate of " + options.certificates() + " cannot be read: " + e.getMessage(),
                    e);
        }
    }

    /** What a new connection is set up with. */
    public SslContext current() {
        return current;
    }

    /** Follows the files from now on, in a thread that {@link #close} ends. */
    public synchronized void watch() {
        ScheduledExecutorService service = Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().name("apus-tls-watch").daemon().factory());
        watcher = service;
        long millis = options.checkEvery().toMillis();
        var _ = service.scheduleWithFixedDelay(this::check, millis, millis, TimeUnit.MILLISECONDS);
    }

    private void check() {
        String digest;
        try {
            digest = digest(files(options));
        } catch (IllegalArgumentException e) {
            digest = String.valueOf(e.getMessage());
        }
        if (!digest.equals(seen)) {
            // Perhaps half written, or the certificate is new and the key is not yet.
            seen = digest;
        } else if (!digest.equals(judged)) {
            judged = digest;
            reload();
        }
    }

    private void reload() {
        try {
            Loaded loaded = load(options);
            judged = loaded.digest;
            seen = loaded.digest;
            current = loaded.context;
            tell(loaded.own);
        } catch (IllegalArgumentException e) {
            LOG.error(
                    "the files for TLS have changed and are not taken: {}; the old certificate stays", e.getMessage());
        } catch (RuntimeException e) {
            // The watch must go on.
            LOG.error("the files for TLS have changed and are not taken; the old certificate stays", e);
        }
    }

    private static List<PemFile> files(TlsOptions options) {
        PemFile certificates = new PemFile(options.certificates(), CERTIFICATES);
        PemFile key = new PemFile(options.key(), KEY);
        Path authorities = options.authorities();
        return authorities == null
                ? List.of(certificates, key)
                : List.of(certificates, key, new PemFile(authorities, AUTHORITIES));
    }

    private static Loaded load(TlsOptions options) {
        List<PemFile> files = files(options);
        List<X509Certificate> chain = files.get(0).certificates();
        PrivateKey key = files.get(1).key();
        X509Certificate own = chain.getFirst();
        if (!PrivateKeys.match(key, own.getPublicKey())) {
            throw new IllegalArgumentException(
                    "the key in " + options.key() + " does not belong to the first certificate in "
                            + options.certificates() + " (" + own.getSubjectX500Principal() + ")");
        }
        SslContextBuilder builder = SslContextBuilder.forServer(key, chain)
                .sslProvider(SslProvider.JDK)
                .protocols("TLSv1.3", "TLSv1.2")
                .ciphers(Http2SecurityUtil.CIPHERS, SupportedCipherSuiteFilter.INSTANCE)
                .clientAuth(clientAuth(options.clients()))
                .applicationProtocolConfig(new ApplicationProtocolConfig(
                        Protocol.ALPN,
                        SelectorFailureBehavior.NO_ADVERTISE,
                        SelectedListenerFailureBehavior.ACCEPT,
                        ApplicationProtocolNames.HTTP_2,
                        ApplicationProtocolNames.HTTP_1_1));
        if (files.size() > 2) {
            builder.trustManager(files.get(2).certificates());
        }
        SslContext context;
        try {
            context = builder.build();
        } catch (SSLException e) {
            throw new IllegalArgumentException("TLS cannot be set up with " + options.certificates() + ": " + e, e);
        }
        return new Loaded(context, own, digest(files));
    }

    private static void tell(X509Certificate own) {
        Instant end = own.getNotAfter().toInstant();
        if (end.isBefore(Instant.now())) {
            LOG.warn(
                    "the certificate of {} has expired on {}: clients will refuse it",
                    own.getSubjectX500Principal(),
                    end);
        } else {
            LOG.info("TLS with the certificate of {}, valid until {}", own.getSubjectX500Principal(), end);
        }
    }

    private static ClientAuth clientAuth(ClientCertificates clients) {
        return switch (clients) {
            case NONE -> ClientAuth.NONE;
            case OPTIONAL -> ClientAuth.OPTIONAL;
            case REQUIRED -> ClientAuth.REQUIRE;
        };
    }

    private static String digest(List<PemFile> files) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (PemFile file : files) {
                digest.update(MessageDigest.getInstance("SHA-256").digest(file.content()));
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public synchronized void close() {
        if (watcher != null) {
            watcher.shutdownNow();
        }
    }
}
