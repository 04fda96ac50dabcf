package dev.apus.loadtest.faults;

import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Path;

/** A PEM file with a server's certificate and its key, signed by itself. */
public final class CertFile {
    private final Path file;

    public CertFile(Path file) {
        this.file = file;
    }

    /** Replaces both; returns the certificate's serial number. */
    public BigInteger renew() throws IOException {
        try {
            X509Bundle bundle = new CertificateBuilder()
                    .subject("CN=apus-loadtest")
                    .addSanDnsName("localhost")
                    .addSanIpAddress("127.0.0.1")
                    .setIsCertificateAuthority(true)
                    .ecp256()
                    .buildSelfSigned();
            KeysFile.replace(file, bundle.getCertificatePEM() + "\n" + bundle.getPrivateKeyPEM());
            return bundle.getCertificate().getSerialNumber();
        } catch (IOException e) {
            throw e;
        } catch (Exception e) {
            throw new IOException("no certificate could be made for " + file, e);
        }
    }
}
