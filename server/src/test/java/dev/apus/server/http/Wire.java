package dev.apus.server.http;

import dev.apus.server.tls.TlsOptions;
import dev.apus.server.tls.TlsOptions.ClientCertificates;
import io.netty.pkitesting.X509Bundle;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpClient;
import java.nio.file.Path;
import javax.net.ssl.SSLContext;

/** What a client and a server of a test speak. */
enum Wire {
    HTTP_1_1(HttpClient.Version.HTTP_1_1, false),
    /** HTTP/2 without TLS; Java's client begins with HTTP/1.1 and asks for the change. */
    H2C(HttpClient.Version.HTTP_2, false),
    TLS_HTTP_2(HttpClient.Version.HTTP_2, true);

    private final HttpClient.Version version;
    private final boolean tls;

    /** Made when it is first asked for. */
    private static final class Certificates {
        static final Secured SECURED = Secured.create();
    }

    private record Secured(TlsOptions server, SSLContext client) {
        static Secured create() {
            try {
                TestPki pki = new TestPki("authority");
                X509Bundle server = pki.server("server");
                Path certificates = server.toTempCertChainPem().toPath();
                Path key = server.toTempPrivateKeyPem().toPath();
                return new Secured(
                        new TlsOptions(certificates, key, null, ClientCertificates.NONE), pki.trusting(null));
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        }
    }

    Wire(HttpClient.Version version, boolean tls) {
        this.version = version;
        this.tls = tls;
    }

    /** Options that a server needs for it. */
    HttpOptions.Builder options(HttpOptions.Builder options) {
        return tls ? options.tls(Certificates.SECURED.server) : options;
    }

    HttpClient client() {
        HttpClient.Builder builder = HttpClient.newBuilder().version(version);
        return tls ? builder.sslContext(Certificates.SECURED.client).build() : builder.build();
    }

    String url(int port) {
        return (tls ? "https" : "http") + "://127.0.0.1:" + port;
    }

    /** A connection for bytes of HTTP/1.1, without TLS. */
    Socket socket(int port) throws IOException {
        return new Socket(InetAddress.getLoopbackAddress(), port);
    }
}
