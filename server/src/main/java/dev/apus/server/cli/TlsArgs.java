package dev.apus.server.cli;

import dev.apus.server.tls.TlsCertificates;
import dev.apus.server.tls.TlsOptions;
import dev.apus.server.tls.TlsOptions.ClientCertificates;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options for TLS; vLLM's names. */
final class TlsArgs {
    @Option(
            names = "--ssl-certfile",
            paramLabel = "FILE",
            description =
                    "PEM file of the server's certificate and its chain: serves HTTPS. Followed while it changes.")
    private @Nullable Path certificates;

    @Option(
            names = "--ssl-keyfile",
            paramLabel = "FILE",
            description = "PEM file of the certificate's private key. Default: it is in the certificate's file")
    private @Nullable Path key;

    @Option(
            names = "--ssl-ca-certs",
            paramLabel = "FILE",
            description = "PEM file of the authorities whose clients are known.")
    private @Nullable Path authorities;

    @Option(
            names = "--ssl-cert-reqs",
            paramLabel = "N",
            defaultValue = "0",
            description = "Certificates of clients: 0 are not asked for, 1 are checked if shown, 2 are required."
                    + " Default: ${DEFAULT-VALUE}")
    private int clients;

    /**
     * What the options say, once the files have been looked at.
     *
     * @return null without TLS
     * @throws IllegalArgumentException naming the option or the file that is wrong
     */
    @Nullable
    TlsOptions options() {
        ClientCertificates wanted =
                switch (clients) {
                    case 0 -> ClientCertificates.NONE;
                    case 1 -> ClientCertificates.OPTIONAL;
                    case 2 -> ClientCertificates.REQUIRED;
                    default ->
                        throw new IllegalArgumentException("--ssl-cert-reqs is " + clients + ", must be 0, 1 or 2");
                };
        if (certificates == null) {
            if (key != null || authorities != null || clients != 0) {
                throw new IllegalArgumentException(
                        "--ssl-keyfile, --ssl-ca-certs and --ssl-cert-reqs need --ssl-certfile");
            }
            return null;
        }
        TlsOptions options = new TlsOptions(certificates, key == null ? certificates : key, authorities, wanted);
        TlsCertificates.check(options);
        return options;
    }
}
