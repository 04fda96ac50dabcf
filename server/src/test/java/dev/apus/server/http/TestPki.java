package dev.apus.server.http;

import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.GeneralSecurityException;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import org.jspecify.annotations.Nullable;

/** An authority, and certificates that it issues for servers and clients of tests. */
final class TestPki {
    final X509Bundle authority;

    TestPki(String name) {
        try {
            authority = new CertificateBuilder()
                    .subject("CN=" + name)
                    .setIsCertificateAuthority(true)
                    .ecp256()
                    .buildSelfSigned();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    /** A certificate for localhost. */
    X509Bundle server(String name) throws Exception {
        return builder(name).ecp256().buildIssuedBy(authority);
    }

    static CertificateBuilder builder(String name) {
        return new CertificateBuilder()
                .subject("CN=" + name)
                .addSanDnsName("localhost")
                .addSanIpAddress("127.0.0.1");
    }

    /** A certificate for a client. */
    X509Bundle client(String name) throws Exception {
        return new CertificateBuilder().subject("CN=" + name).ecp256().buildIssuedBy(authority);
    }

    /** Puts a text into a file of a folder, at once: no reader sees a half of it. */
    static Path write(Path folder, String name, String text) throws IOException {
        Path part = folder.resolve(name + ".part");
        Files.writeString(part, text);
        Path file = folder.resolve(name);
        Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
        return file;
    }

    /** What a client needs that trusts the authority and shows a certificate of its own, if it has one. */
    SSLContext trusting(@Nullable X509Bundle own) throws GeneralSecurityException {
        SSLContext context = SSLContext.getInstance("TLS");
        KeyManager[] keys = own == null ? null : own.toKeyManagerFactory().getKeyManagers();
        context.init(keys, new TrustManager[] {authority.toTrustManager()}, null);
        return context;
    }
}
