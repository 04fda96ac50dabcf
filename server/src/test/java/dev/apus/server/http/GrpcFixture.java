package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.scheduler.ServedModel;
import dev.apus.server.grpc.GrpcServices;
import java.util.Map;
import java.util.function.UnaryOperator;

/** A server with its gRPC services whose engine a test plays, and a client of it. */
final class GrpcFixture implements AutoCloseable {
    final ManualEngine engine = new ManualEngine();
    final HttpServer server;
    final GrpcClient client;

    GrpcFixture() {
        this(options -> options);
    }

    GrpcFixture(UnaryOperator<HttpOptions.Builder> options) {
        this(new CharTokenizer(), options);
    }

    GrpcFixture(Tokenizer tokenizer, UnaryOperator<HttpOptions.Builder> options) {
        ServedModel model = new ServedModel(
                "stub",
                tokenizer,
                variables -> String.valueOf(variables.get("messages")),
                Map.of(),
                1 << 20,
                CharTokenizer.SIZE,
                Map.of(),
                engine);
        server = HttpServer.start(
                model, options.apply(HttpOptions.builder().port(0)).build(), GrpcServices::streams);
        client = new GrpcClient(server.port());
    }

    /** A connection of its own. */
    GrpcClient connect() {
        return new GrpcClient(server.port());
    }

    /** Waits until no request and no answer takes memory. */
    void awaitNoMemoryTaken() throws InterruptedException {
        ServerFixture.await("the memory is back", () -> server.memoryTaken() == 0);
    }

    @Override
    public void close() {
        client.close();
        server.close();
        engine.close();
    }
}
