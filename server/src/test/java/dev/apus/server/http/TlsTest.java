package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.server.tls.TlsCertificates;
import dev.apus.server.tls.TlsOptions;
import dev.apus.server.tls.TlsOptions.ClientCertificates;
import io.netty.pkitesting.X509Bundle;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPrivateKey;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** TLS: who gets in, what is agreed on, certificates that change, and files that are wrong. */
@Timeout(60)
class TlsTest {
    private static final Duration SOON = Duration.ofMillis(20);

    private final TestPki pki = new TestPki("authority");

    @TempDir
    Path folder;

    private TlsOptions options(X509Bundle server) throws IOException {
        write(server);
        return new TlsOptions(
                folder.resolve("cert.pem"), folder.resolve("key.pem"), null, ClientCertificates.NONE, SOON);
    }

    private void write(X509Bundle server) throws IOException {
        TestPki.write(folder, "cert.pem", server.getCertificatePathPEM());
        TestPki.write(folder, "key.pem", server.getPrivateKeyPEM());
    }

    @Test
    void theProtocolIsAgreedOn() throws Exception {
        TlsOptions tls = options(pki.server("server"));
        try (ServerFixture fixture = new ServerFixture(options -> options.tls(tls))) {
            assertThat(agreed(fixture, "h2", "http/1.1")).isEqualTo("h2");
            assertThat(agreed(fixture, "http/1.1")).isEqualTo("http/1.1");
            assertThat(agreed(fixture)).isEmpty();
            for (HttpClient.Version version : HttpClient.Version.values()) {
                HttpResponse<String> answer = health(fixture, pki.trusting(null), version);
                assertThat(answer.statusCode()).isEqualTo(200);
                assertThat(answer.version()).isEqualTo(version);
            }
        }
    }

    private String agreed(ServerFixture fixture, String... offered) throws Exception {
        try (SSLSocket socket = connect(fixture)) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setApplicationProtocols(offered);
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            return socket.getApplicationProtocol();
        }
    }

    private SSLSocket connect(ServerFixture fixture) throws Exception {
        return (SSLSocket) pki.trusting(null)
                .getSocketFactory()
                .createSocket(InetAddress.getLoopbackAddress(), fixture.server.port());
    }

    @Test
    void whoSpeaksPlainHttpIsTold() throws Exception {
        TlsOptions tls = options(pki.server("server"));
        try (ServerFixture fixture = new ServerFixture(options -> options.tls(tls))) {
            for (String request : List.of(
                    RawClient.get("/health"),
                    RawClient.post("/v1/completions", "{\"prompt\":\"" + "hi".repeat(100_000) + "\"}"),
                    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) {
                try (RawClient client = fixture.connect()) {
                    assertThat(client.send(request).readAll())
                            .startsWith("HTTP/1.1 400 Bad Request\r\n")
                            .contains("connection: close", "this port speaks TLS: use https://")
                            .endsWith("}");
                }
            }
            try (RawClient client = fixture.connect()) {
                assertThat(client.send("\u0000\u0001 neither").readAll()).doesNotContain("HTTP");
            }
        }
    }

    @Test
    void aClientThatLeavesEndsItsRequest() throws Exception {
        TlsOptions tls = options(pki.server("server"));
        try (ServerFixture fixture = new ServerFixture(options -> options.tls(tls))) {
            try (SSLSocket socket = connect(fixture)) {
                socket.getOutputStream()
                        .write(RawClient.post("/v1/completions", "{\"prompt\":\"hi\",\"stream\":true}")
                                .getBytes(StandardCharsets.US_ASCII));
                fixture.engine.next();
            }
            ServerFixture.await(
                    "the request is aborted", () -> fixture.engine.aborted().size() == 1);
        }
    }

    @Test
    void aHandshakeThatDoesNotEndIsNotWaitedFor() throws Exception {
        TlsOptions tls = options(pki.server("server"));
        try (ServerFixture fixture =
                        new ServerFixture(options -> options.tls(tls).readTimeout(Duration.ofMillis(100)));
                RawClient client = fixture.connect()) {
            assertThat(client.send("\u0016\u0003\u0001\u0001").readAll()).doesNotContain("HTTP");
        }
    }

    @Test
    void newConnectionsGetTheNewCertificate() throws Exception {
        TlsOptions tls = options(pki.server("first"));
        try (ServerFixture fixture = new ServerFixture(options -> options.tls(tls));
                SSLSocket old = connect(fixture)) {
            old.startHandshake();
            assertThat(subject(fixture)).isEqualTo("CN=first");

            write(pki.server("second"));
            ServerFixture.await(
                    "the new certificate is used", () -> subject(fixture).equals("CN=second"));

            // One that does not fit changes nothing, nor does one that is gone; the next good one is taken.
            TestPki.write(folder, "cert.pem", pki.server("third").getCertificatePathPEM());
            assertThat(staysFor(fixture, "CN=second")).isTrue();
            Files.delete(folder.resolve("key.pem"));
            assertThat(staysFor(fixture, "CN=second")).isTrue();
            write(pki.server("fourth"));
            ServerFixture.await(
                    "the new certificate is used", () -> subject(fixture).equals("CN=fourth"));

            old.getOutputStream().write(RawClient.get("/health").getBytes(StandardCharsets.US_ASCII));
            assertThat(new String(old.getInputStream().readNBytes(15), StandardCharsets.US_ASCII))
                    .isEqualTo("HTTP/1.1 200 OK");
        }
    }

    /** Looks several times, which takes longer than the server's looking at the files. */
    private boolean staysFor(ServerFixture fixture, String subject) {
        for (int i = 0; i < 20; i++) {
            if (!subject(fixture).equals(subject)) {
                return false;
            }
        }
        return true;
    }

    private String subject(ServerFixture fixture) {
        try (SSLSocket socket = connect(fixture)) {
            socket.startHandshake();
            X509Certificate shown = (X509Certificate) socket.getSession().getPeerCertificates()[0];
            return shown.getSubjectX500Principal().toString();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void certificatesOfClientsAreRequired() throws Exception {
        try (ServerFixture fixture = fixture(ClientCertificates.REQUIRED)) {
            assertThat(getsIn(fixture, pki.client("friend"))).isTrue();
            assertThat(getsIn(fixture, null)).isFalse();
            assertThat(getsIn(fixture, new TestPki("another").client("stranger")))
                    .isFalse();
        }
    }

    @Test
    void certificatesOfClientsMayBeShown() throws Exception {
        try (ServerFixture fixture = fixture(ClientCertificates.OPTIONAL)) {
            assertThat(getsIn(fixture, pki.client("friend"))).isTrue();
            assertThat(getsIn(fixture, null)).isTrue();
        }
    }

    private ServerFixture fixture(ClientCertificates clients) throws Exception {
        write(pki.server("server"));
        TlsOptions tls = new TlsOptions(
                folder.resolve("cert.pem"),
                folder.resolve("key.pem"),
                TestPki.write(folder, "ca.pem", pki.authority.getCertificatePEM()),
                clients);
        return new ServerFixture(options -> options.tls(tls));
    }

    private boolean getsIn(ServerFixture fixture, @Nullable X509Bundle own) throws Exception {
        try {
            return health(fixture, pki.trusting(own), HttpClient.Version.HTTP_2).statusCode() == 200;
        } catch (IOException e) {
            return false;
        }
    }

    private static HttpResponse<String> health(ServerFixture fixture, SSLContext context, HttpClient.Version version)
            throws Exception {
        try (HttpClient client =
                HttpClient.newBuilder().sslContext(context).version(version).build()) {
            URI uri = URI.create("https://127.0.0.1:" + fixture.server.port() + "/health");
            return client.send(HttpRequest.newBuilder(uri).build(), BodyHandlers.ofString());
        }
    }

    @Test
    void olderFormsOfKeysAreRead() throws Exception {
        X509Bundle rsa = TestPki.builder("rsa").rsa2048().buildIssuedBy(pki.authority);
        byte[] pkcs8 = rsa.getKeyPair().getPrivate().getEncoded();
        // The key itself is the last element, behind 26 bytes of version, kind and lengths.
        check(rsa, pem("RSA PRIVATE KEY", Arrays.copyOfRange(pkcs8, 26, pkcs8.length)));

        X509Bundle ec = pki.server("ec");
        check(ec, pem("EC PRIVATE KEY", sec1((ECPrivateKey) ec.getKeyPair().getPrivate())));
        check(ec, ec.getCertificatePEM() + ec.getPrivateKeyPEM());
    }

    private void check(X509Bundle server, String key) throws IOException {
        Path certificates = TestPki.write(folder, "cert.pem", server.getCertificatePathPEM());
        Path file = TestPki.write(folder, "key.pem", key);
        TlsCertificates.check(new TlsOptions(certificates, file, null, ClientCertificates.NONE));
    }

    private static byte[] sec1(ECPrivateKey key) {
        byte[] secret = key.getS().toByteArray();
        byte[] number = new byte[32];
        int length = Math.min(32, secret.length);
        System.arraycopy(secret, secret.length - length, number, 32 - length, length);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(new byte[] {0x30, 49, 2, 1, 1, 4, 32});
        out.writeBytes(number);
        // prime256v1
        out.writeBytes(new byte[] {(byte) 0xa0, 10, 6, 8, 0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 3, 1, 7});
        return out.toByteArray();
    }

    private static String pem(String label, byte[] der) {
        return "-----BEGIN " + label + "-----\n"
                + Base64.getMimeEncoder().encodeToString(der)
                + "\n-----END " + label + "-----\n";
    }

    @Test
    void filesThatAreWrongAreNamed() throws Exception {
        X509Bundle server = pki.server("server");
        X509Bundle other = pki.server("other");
        refused(server, other.getPrivateKeyPEM(), "key.pem does not belong to the first certificate in", "CN=server");
        refused(server, pem("ENCRYPTED PRIVATE KEY", new byte[40]), "key.pem is encrypted", "openssl pkey");
        refused(
                server,
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
                "key.pem is encrypted");
        refused(server, pem("PRIVATE KEY", new byte[40]), "key.pem", "is broken");
        refused(server, pem("RSA PRIVATE KEY", new byte[3]), "key.pem", "is broken");
        refused(server, pem("EC PRIVATE KEY", new byte[] {0x30, 3, 2, 1, 1}), "key.pem", "names no curve");
        refused(server, "nothing", "key.pem holds no private key");
        Files.delete(folder.resolve("key.pem"));
        refusedAs(folder.resolve("key.pem"), "key.pem does not exist");
        TestPki.write(folder, "cert.pem", "nothing");
        refusedAs(folder.resolve("cert.pem"), "cert.pem holds no certificate");
        TestPki.write(folder, "cert.pem", pem("CERTIFICATE", new byte[40]));
        refusedAs(folder.resolve("cert.pem"), "cert.pem holds a certificate that is broken");
        assertThatThrownBy(() -> new TlsOptions(folder, folder, null, ClientCertificates.OPTIONAL))
                .hasMessageContaining("--ssl-ca-certs");
    }

    private void refused(X509Bundle server, String key, String... parts) throws IOException {
        TestPki.write(folder, "cert.pem", server.getCertificatePathPEM());
        refusedAs(TestPki.write(folder, "key.pem", key), parts);
    }

    private void refusedAs(Path key, String... parts) {
        TlsOptions tls = new TlsOptions(folder.resolve("cert.pem"), key, null, ClientCertificates.NONE);
        assertThatThrownBy(() -> TlsCertificates.check(tls))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll(parts);
    }
}
