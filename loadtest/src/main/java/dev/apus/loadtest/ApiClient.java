package dev.apus.loadtest;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Plain requests to a server: what it serves, how it is. Thread-safe. */
public final class ApiClient implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final Target target;
    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .sslContext(Trust.everybody())
            .connectTimeout(PATIENCE)
            .build();

    public ApiClient(Target target) {
        this.target = target;
    }

    /** GET. */
    public HttpResponse<String> get(String path, @Nullable String key) throws IOException, InterruptedException {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create(target.base() + path)).timeout(PATIENCE);
        if (key != null) {
            request.header("Authorization", "Bearer " + key);
        }
        return http.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    /**
     * The name of the first model served.
     *
     * @throws IOException if there is no answer or it names none
     */
    public String firstModel(@Nullable String key) throws IOException, InterruptedException {
        String path = "/v1/models";
        HttpResponse<String> response;
        try {
            response = get(path, key);
        } catch (IOException e) {
            throw new IOException("no answer from " + target.base() + path + ": is --url right? " + e, e);
        }
        String model = "";
        if (response.statusCode() == 200) {
            try {
                JsonNode first =
                        new JsonMapper().readTree(response.body()).path("data").path(0);
                model = first.path("id").asString("");
            } catch (JacksonException e) {
                throw new IOException(target.base() + path + " answers no JSON", e);
            }
        }
        if (model.isEmpty()) {
            String body = response.body();
            throw new IOException(target.base() + path + " answers " + response.statusCode() + " and no model: "
                    + body.substring(0, Math.min(200, body.length()))
                    + "; give --model, and --api-key if it asks for one");
        }
        return model;
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
