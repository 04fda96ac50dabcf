package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.scheduler.ServedModel;
import io.netty.channel.ChannelHandler;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** A server on a free port whose engine a test plays. */
final class ServerFixture implements AutoCloseable {
    final ManualEngine engine = new ManualEngine();
    final HttpServer server;

    ServerFixture() {
        this(options -> options);
    }

    ServerFixture(UnaryOperator<HttpOptions.Builder> options) {
        this(new CharTokenizer(), options);
    }

    ServerFixture(Tokenizer tokenizer, UnaryOperator<HttpOptions.Builder> options) {
        this(tokenizer, options, null);
    }

    /** @param grpc makes the handler of a stream of gRPC */
    ServerFixture(Supplier<ChannelHandler> grpc) {
        this(new CharTokenizer(), options -> options, grpc);
    }

    private ServerFixture(
            Tokenizer tokenizer, UnaryOperator<HttpOptions.Builder> options, @Nullable Supplier<ChannelHandler> grpc) {
        ServedModel model = new ServedModel(
                "stub", tokenizer, ServerFixture::lastContent, Map.of(), 1 << 20, CharTokenizer.SIZE, Map.of(), engine);
        server = HttpServer.start(
                model, options.apply(HttpOptions.builder().port(0)).build(), (front, given, workers) -> grpc);
    }

    private static String lastContent(Map<String, ?> variables) {
        return variables.get("messages") instanceof List<?> messages && messages.getLast() instanceof Map<?, ?> last
                ? String.valueOf(last.get("content"))
                : "";
    }

    RawClient connect() throws IOException {
        return new RawClient(server);
    }

    /** Sends a request over a connection of its own and returns its answer. */
    String connectAndAnswer(String request) {
        try (RawClient client = connect()) {
            return client.send(request).readAnswer();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Sends a request for a stream or a whole answer and waits until the engine has it. */
    ManualEngine.Work start(RawClient client, boolean stream) throws IOException, InterruptedException {
        client.send(
                RawClient.post("/v1/completions", "{\"prompt\":\"hi\",\"max_tokens\":9000,\"stream\":" + stream + "}"));
        return engine.next();
    }

    /** Waits for what another thread brings about; at most 10 s. */
    static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + 10_000_000_000L;
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("not within 10 s: " + what);
            }
            Thread.sleep(2);
        }
    }

    @Override
    public void close() {
        server.close();
        engine.close();
    }
}
