package dev.apus.server.http;

import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.LanguageModel;
import dev.apus.server.grpc.GrpcServices;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A server of a tiny model from files, and a client of it. */
final class PoolingFixture implements AutoCloseable {
    private static final Path MODELS = Path.of("../models/src/test/resources");
    private static final JsonMapper JSON = new JsonMapper();

    final LanguageModel model;
    final HttpServer server;
    private final HttpClient client = HttpClient.newHttpClient();

    /** @param path below the test resources of the models module */
    PoolingFixture(String path) {
        EngineOptions options = EngineOptions.builder().maxNumBatchedTokens(64).build();
        model = LanguageModel.open(MODELS.resolve(path), options);
        server = HttpServer.start(model.served(), HttpOptions.builder().port(0).build(), GrpcServices::streams);
    }

    /** What the reference implementation answered for an encoder. */
    static JsonNode golden(String encoder) throws IOException {
        return JSON.readTree(Files.readString(MODELS.resolve("encoders/" + encoder + "/golden.json")));
    }

    static JsonNode tree(String json) {
        return JSON.readTree(json);
    }

    static String quoted(String text) {
        return JSON.writeValueAsString(text);
    }

    String url() {
        return "http://127.0.0.1:" + server.port();
    }

    HttpResponse<String> post(String path, String body) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url() + path))
                .header("content-type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        return client.send(request, BodyHandlers.ofString());
    }

    String get(String path) throws IOException, InterruptedException {
        return client.send(HttpRequest.newBuilder(URI.create(url() + path)).build(), BodyHandlers.ofString())
                .body();
    }

    /** The JSON of an answer that must be good. */
    JsonNode ask(String path, String body) throws IOException, InterruptedException {
        HttpResponse<String> response = post(path, body);
        if (response.statusCode() != 200) {
            throw new AssertionError(response.statusCode() + ": " + response.body());
        }
        return JSON.readTree(response.body());
    }

    /** The error of an answer that must be 400. */
    JsonNode refused(String path, String body) throws IOException, InterruptedException {
        HttpResponse<String> response = post(path, body);
        if (response.statusCode() != 400) {
            throw new AssertionError(response.statusCode() + ": " + response.body());
        }
        return JSON.readTree(response.body()).get("error");
    }

    static float[] floats(JsonNode list) {
        float[] out = new float[list.size()];
        for (int i = 0; i < out.length; i++) {
            out[i] = list.get(i).floatValue();
        }
        return out;
    }

    @Override
    public void close() {
        client.close();
        server.close();
        model.close();
    }
}
