package dev.apus.server.tls;

import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Which files TLS is done with.
 *
 * @param certificates PEM file of the server's certificate and those that lead to its authority's
 * @param key PEM file of the private key; may be the same file
 * @param authorities PEM file of the authorities whose clients are known; null if none
 * @param clients whether clients show a certificate
 * @param checkEvery how often the files are looked at for a change
 */
public record TlsOptions(
        Path certificates, Path key, @Nullable Path authorities, ClientCertificates clients, Duration checkEvery) {
    /** Often enough for a certificate that is renewed days before it ends, and for a human who waits for it. */
    private static final Duration USUAL_CHECK = Duration.ofSeconds(5);

    /** Whether clients show a certificate, in the order of Python's and vLLM's numbers. */
    public enum ClientCertificates {
        /** They are not asked. */
        NONE,
        /** They may; one that is shown must be an authority's. */
        OPTIONAL,
        /** They must. */
        REQUIRED
    }

    public TlsOptions {
        if (clients != ClientCertificates.NONE && authorities == null) {
            throw new IllegalArgumentException(
                    "certificates of clients can only be checked against authorities: give their file (--ssl-ca-certs)");
        }
        if (checkEvery.isNegative() || checkEvery.isZero()) {
            throw new IllegalArgumentException("checkEvery is " + checkEvery + ", must be above 0");
        }
    }

    /** With the usual time between looks at the files. */
    public TlsOptions(Path certificates, Path key, @Nullable Path authorities, ClientCertificates clients) {
        this(certificates, key, authorities, clients, USUAL_CHECK);
    }
}
