package dev.apus.server.http;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** gRPC's Python package against the server, with code that it makes of the .proto files, by {@link PythonClient}. */
class GrpcPythonClientTest {
    @TempDir
    private Path folder;

    @Test
    @Timeout(2 * PythonClient.MOST_SECONDS)
    void callsAllProtocols() throws Exception {
        try (ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()))) {
            PythonClient.passes(
                    folder,
                    "grpc_client.py",
                    "127.0.0.1:" + server.port(),
                    Path.of("src/main/proto").toAbsolutePath().toString());
        }
    }
}
