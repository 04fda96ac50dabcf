package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.server.tls.TlsOptions;
import dev.apus.server.tls.TlsOptions.ClientCertificates;
import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the server shows to try it with. */
class FirstCallTest {
    @TempDir
    private Path folder;

    @Test
    void withoutKeysAndTls() {
        FirstCall call = new FirstCall("http", "127.0.0.1", 8000, false, null);
        assertThat(call.embeddings())
                .isEqualTo("curl http://127.0.0.1:8000/v1/embeddings -H 'Content-Type: application/json'"
                        + " -d '{\"input\": [\"Hello\", \"world\"]}'");
        assertThat(call.chat()).startsWith("curl -N http://127.0.0.1:8000/v1/chat/completions ");
    }

    @Test
    void anAddressThatNobodyCanNameIsTheLoopbacks() {
        assertThat(url("0.0.0.0")).isEqualTo("http://127.0.0.1:80");
        assertThat(url("::")).isEqualTo("http://127.0.0.1:80");
        assertThat(url("::1")).isEqualTo("http://[::1]:80");
        assertThat(url("gpu7")).isEqualTo("http://gpu7:80");
    }

    private static String url(String host) {
        return new FirstCall("http", host, 80, false, null).url();
    }

    @Test
    void aKeyComesFromTheEnvironment() {
        assertThat(new FirstCall("http", "127.0.0.1", 80, true, null).chat())
                .contains(" -H \"Authorization: Bearer $APUS_API_KEY\" ");
    }

    @Test
    void aCertificateThatCurlWouldRefuseIsTakenUnseen() throws Exception {
        CertificateBuilder names = new CertificateBuilder()
                .subject("CN=gpu7")
                .addSanDnsName("gpu7")
                .setIsCertificateAuthority(true);
        X509Bundle self = names.buildSelfSigned();
        X509Bundle signed = new CertificateBuilder()
                .subject("CN=leaf")
                .addSanDnsName("gpu7")
                .buildIssuedBy(self);
        assertThat(chat(self, "gpu7")).startsWith("curl -N -k https://gpu7:443/");
        assertThat(chat(signed, "gpu7")).startsWith("curl -N https://gpu7:443/");
        assertThat(chat(signed, "0.0.0.0")).startsWith("curl -N -k https://127.0.0.1:443/");
    }

    private String chat(X509Bundle server, String host) throws Exception {
        Path certificates = Files.writeString(folder.resolve("cert.pem"), server.getCertificatePathPEM());
        Path key = Files.writeString(folder.resolve("key.pem"), server.getPrivateKeyPEM());
        TlsOptions tls = new TlsOptions(certificates, key, null, ClientCertificates.NONE);
        return new FirstCall("https", host, 443, false, tls).chat();
    }
}
