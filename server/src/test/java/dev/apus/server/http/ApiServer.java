package dev.apus.server.http;

import dev.apus.models.chat.ChatTemplate;
import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.scheduler.Engine;
import dev.apus.scheduler.ServedModel;
import dev.apus.server.grpc.GrpcServices;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A server on a free port of the loopback address with an engine of the test, and a client of it. */
final class ApiServer implements AutoCloseable {
    static final int CONTEXT = 4096;

    private final Engine engine;
    private final HttpServer server;
    private final Wire wire;
    private final HttpClient client;
    private final JsonMapper json = new JsonMapper();

    /** Serves a model called {@code stub} whose chat template shows only what was said last. */
    ApiServer(Tokenizer tokenizer, Engine engine) {
        this(tokenizer, engine, options -> options);
    }

    ApiServer(Tokenizer tokenizer, Engine engine, UnaryOperator<HttpOptions.Builder> options) {
        this(Wire.HTTP_1_1, tokenizer, engine, options);
    }

    ApiServer(Wire wire, Tokenizer tokenizer, Engine engine, UnaryOperator<HttpOptions.Builder> options) {
        this(wire, tokenizer, engine, ApiServer::lastContent, options);
    }

    ApiServer(Tokenizer tokenizer, Engine engine, ChatTemplate template, UnaryOperator<HttpOptions.Builder> options) {
        this(Wire.HTTP_1_1, tokenizer, engine, template, options);
    }

    private ApiServer(
            Wire wire,
            Tokenizer tokenizer,
            Engine engine,
            ChatTemplate template,
            UnaryOperator<HttpOptions.Builder> options) {
        this.wire = wire;
        this.engine = engine;
        client = wire.client();
        server = HttpServer.start(
                new ServedModel("stub", tokenizer, template, Map.of(), CONTEXT, tokenizer.size(), Map.of(), engine),
                options.apply(wire.options(HttpOptions.builder()).port(0)).build(),
                GrpcServices::streams);
    }

    int port() {
        return server.port();
    }

    String url() {
        return wire.url(server.port());
    }

    List<Route> routes() {
        return server.routes();
    }

    /** The JSON at a path, whose answer must be good. */
    JsonNode get(String path) throws IOException, InterruptedException {
        HttpResponse<String> response =
                client.send(HttpRequest.newBuilder(URI.create(url() + path)).build(), BodyHandlers.ofString());
        check("GET", path, response);
        if (response.statusCode() != 200) {
            throw new AssertionError(response.statusCode() + ": " + response.body());
        }
        return json.readTree(response.body());
    }

    /** The answer to a request, which is held against the server's own OpenAPI document. */
    HttpResponse<String> post(String path, String body) throws IOException, InterruptedException {
        HttpResponse<String> response = client.send(request(path, body), BodyHandlers.ofString());
        check("POST", path, response);
        return response;
    }

    private static void check(String method, String path, HttpResponse<String> response) {
        String type = response.headers().firstValue("content-type").orElse("");
        Contract.ofTheServer().check(method, path, response.statusCode(), type, response.body());
    }

    /** The JSON of an answer that must be good. */
    JsonNode ask(String path, String body) throws IOException, InterruptedException {
        HttpResponse<String> response = post(path, body);
        if (response.statusCode() != 200) {
            throw new AssertionError(response.statusCode() + ": " + response.body());
        }
        return json.readTree(response.body());
    }

    /** Data of the events of a stream, each as sent. */
    List<String> events(String path, String body) throws IOException, InterruptedException {
        HttpResponse<String> response = post(path, body);
        if (response.statusCode() != 200) {
            throw new AssertionError(response.statusCode() + ": " + response.body());
        }
        List<String> events = new ArrayList<>();
        for (String event : response.body().split("\n\n", -1)) {
            if (!event.isEmpty()) {
                if (!event.startsWith("data: ") || event.indexOf('\n') >= 0) {
                    throw new AssertionError("not one line of data: " + event);
                }
                events.add(event.substring("data: ".length()));
            }
        }
        return events;
    }

    /** The chunks of a stream, whose last event must be {@code [DONE]}. */
    List<JsonNode> chunks(String path, String body) throws IOException, InterruptedException {
        List<String> events = events(path, body);
        if (!events.getLast().equals("[DONE]")) {
            throw new AssertionError("the stream does not end with [DONE] but with " + events.getLast());
        }
        return events.subList(0, events.size() - 1).stream().map(this::tree).toList();
    }

    JsonNode tree(String text) {
        return json.readTree(text);
    }

    RawClient connect() throws IOException {
        return new RawClient(server);
    }

    HttpClient client() {
        return client;
    }

    HttpRequest request(String path, String body) {
        return HttpRequest.newBuilder(URI.create(url() + path))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
    }

    private static String lastContent(Map<String, ?> variables) {
        return variables.get("messages") instanceof List<?> messages && messages.getLast() instanceof Map<?, ?> last
                ? String.valueOf(last.get("content"))
                : "";
    }

    @Override
    public void close() {
        client.close();
        server.close();
        engine.close();
    }
}
