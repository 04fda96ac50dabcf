package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.Engine;
import dev.apus.server.batch.BatchOptions;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.UnaryOperator;
import tools.jackson.databind.JsonNode;

/** A server with batches, and what a client does with them. */
final class BatchFixture implements AutoCloseable {
    private static final Duration MOST = Duration.ofSeconds(20);

    final ApiServer server;
    private final String key;

    BatchFixture(Path folder, Engine engine) {
        this(Wire.HTTP_1_1, folder, engine, "none", options -> options);
    }

    BatchFixture(Wire wire, Path folder, Engine engine, String key, UnaryOperator<HttpOptions.Builder> more) {
        this.key = key;
        server = new ApiServer(
                wire, new CharTokenizer(), engine, options -> more.apply(options.batches(limits(folder))));
    }

    static BatchOptions limits(Path folder) {
        return new BatchOptions(
                folder, true, 4 << 20, 1000, 1 << 20, 16 << 20, 4, Duration.ofHours(24), Duration.ofMillis(50));
    }

    static String line(int i, String endpoint, String body) {
        return "{\"custom_id\":\"r" + i + "\",\"method\":\"POST\",\"url\":\"" + endpoint + "\",\"body\":" + body
                + "}\n";
    }

    static String chat(int i, String text) {
        return line(
                i,
                "/v1/chat/completions",
                "{\"model\":\"stub\",\"max_tokens\":" + text.length()
                        + ",\"messages\":[{\"role\":\"user\",\"content\":\"" + text + "\"}]}");
    }

    static byte[] form(String purpose, String filename, String content) {
        return ("--XX\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n" + purpose
                        + "\r\n--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + filename
                        + "\"\r\nContent-Type: application/octet-stream\r\n\r\n" + content + "\r\n--XX--\r\n")
                .getBytes(StandardCharsets.UTF_8);
    }

    HttpRequest.Builder request(String path) {
        return request(path, key);
    }

    HttpRequest.Builder request(String path, String as) {
        return HttpRequest.newBuilder(URI.create(server.url() + path)).header("Authorization", "Bearer " + as);
    }

    HttpResponse<String> send(HttpRequest request) throws Exception {
        HttpResponse<String> response = server.client().send(request, BodyHandlers.ofString());
        String type = response.headers().firstValue("content-type").orElse("");
        Contract.ofTheServer()
                .check(request.method(), request.uri().getPath(), response.statusCode(), type, response.body());
        return response;
    }

    HttpResponse<String> sendForm(byte[] form) throws Exception {
        return send(request("/v1/files")
                .header("Content-Type", "multipart/form-data; boundary=XX")
                .POST(BodyPublishers.ofByteArray(form))
                .build());
    }

    JsonNode upload(String content) throws Exception {
        return good(sendForm(form("batch", "in.jsonl", content)));
    }

    HttpResponse<String> create(String fileId, String endpoint) throws Exception {
        return post(
                "/v1/batches",
                "{\"input_file_id\":\"" + fileId + "\",\"endpoint\":\"" + endpoint
                        + "\",\"completion_window\":\"24h\",\"metadata\":{\"a\":\"b\"}}");
    }

    /** The id of a batch of the lines. */
    String start(String endpoint, String content) throws Exception {
        String file = upload(content).get("id").asString();
        return good(create(file, endpoint)).get("id").asString();
    }

    HttpResponse<String> get(String path) throws Exception {
        return send(request(path).build());
    }

    HttpResponse<String> post(String path, String json) throws Exception {
        return send(request(path)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(json))
                .build());
    }

    HttpResponse<String> delete(String path) throws Exception {
        return send(request(path).DELETE().build());
    }

    JsonNode good(HttpResponse<String> response) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return server.tree(response.body());
    }

    JsonNode awaitStatus(String id, String status) throws Exception {
        long deadline = System.nanoTime() + MOST.toNanos();
        while (true) {
            JsonNode batch = good(get("/v1/batches/" + id));
            if (batch.get("status").asString().equals(status)) {
                return batch;
            }
            assertThat(System.nanoTime()).as(batch.toString()).isLessThan(deadline);
            Thread.sleep(5);
        }
    }

    String content(JsonNode batch, String field) throws Exception {
        HttpResponse<String> response = get("/v1/files/" + batch.get(field).asString() + "/content");
        assertThat(response.statusCode()).isEqualTo(200);
        return response.body();
    }

    @Override
    public void close() {
        server.close();
    }
}
