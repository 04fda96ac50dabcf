package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.server.tls.TlsOptions;
import dev.apus.server.tls.TlsOptions.ClientCertificates;
import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

class TlsArgsTest {
    @TempDir
    Path folder;

    @Command
    private static final class Holder {
        @Mixin
        private TlsArgs args = new TlsArgs();
    }

    private static @Nullable TlsOptions parse(String... arguments) {
        Holder holder = new Holder();
        new CommandLine(holder).parseArgs(arguments);
        return holder.args.options();
    }

    @Test
    void filesAreLookedAtWhenTheOptionsAreRead() throws Exception {
        X509Bundle own = new CertificateBuilder()
                .subject("CN=server")
                .setIsCertificateAuthority(true)
                .ecp256()
                .buildSelfSigned();
        Path both = Files.writeString(folder.resolve("both.pem"), own.getCertificatePEM() + own.getPrivateKeyPEM());
        String file = both.toString();

        assertThat(parse()).isNull();
        assertThat(parse("--ssl-certfile", file)).isEqualTo(new TlsOptions(both, both, null, ClientCertificates.NONE));
        assertThat(parse("--ssl-certfile", file, "--ssl-keyfile", file, "--ssl-ca-certs", file, "--ssl-cert-reqs", "2"))
                .isEqualTo(new TlsOptions(both, both, both, ClientCertificates.REQUIRED));
        assertThatThrownBy(() -> parse("--ssl-certfile", file, "--ssl-cert-reqs", "3"))
                .hasMessageContaining("must be 0, 1 or 2");
        assertThatThrownBy(() -> parse("--ssl-certfile", file, "--ssl-cert-reqs", "1"))
                .hasMessageContaining("--ssl-ca-certs");
        assertThatThrownBy(() -> parse("--ssl-keyfile", file)).hasMessageContaining("need --ssl-certfile");
        assertThatThrownBy(() -> parse("--ssl-certfile", file + ".missing")).hasMessageContaining("does not exist");
    }
}
