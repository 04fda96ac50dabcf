package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.proto.v1.GenerationResponse;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.server.tls.TlsOptions;
import dev.apus.server.tls.TlsOptions.ClientCertificates;
import io.grpc.ManagedChannel;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Iterator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** gRPC over TLS on the server's one port, chosen by ALPN. */
@Timeout(60)
class GrpcTlsTest {
    @TempDir
    private Path folder;

    @Test
    void aStreamComesOverTls() throws Exception {
        TestPki pki = new TestPki("authority");
        X509Bundle server = pki.server("server");
        TlsOptions tls = tls(server);
        try (GrpcFixture fixture = new GrpcFixture(options -> options.tls(tls))) {
            ManagedChannel channel = NettyChannelBuilder.forAddress("localhost", fixture.server.port())
                    .sslContext(GrpcSslContexts.forClient()
                            .trustManager(pki.authority.toTrustManager())
                            .build())
                    .build();
            Iterator<GenerationResponse> stream = InferenceGrpc.newBlockingStub(channel)
                    .generateStream(GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(9)));
            ManualEngine.Work work = fixture.engine.next();
            work.emit("over TLS");
            fixture.engine.finish(work);

            StringBuilder joined = new StringBuilder();
            stream.forEachRemaining(message -> message.getChoicesList().forEach(part -> joined.append(part.getText())));
            assertThat(joined).hasToString("over TLS");
            channel.shutdownNow();
        }
    }

    private TlsOptions tls(X509Bundle server) throws IOException {
        return new TlsOptions(
                TestPki.write(folder, "cert.pem", server.getCertificatePathPEM()),
                TestPki.write(folder, "key.pem", server.getPrivateKeyPEM()),
                null,
                ClientCertificates.NONE);
    }
}
