package dev.apus.loadtest.faults;

import dev.apus.loadtest.Prompts;
import dev.apus.loadtest.Target;
import dev.apus.loadtest.Trust;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.random.RandomGenerator;

/** Streams of one HTTP/2 connection that end before their answers: the JDK's client resets a stream whose body is closed. */
final class Http2Faults implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final int TOKENS = 200;

    private final Target target;
    private final Keys keys;
    private final Outcomes outcomes;
    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_2)
            .sslContext(Trust.everybody())
            .connectTimeout(PATIENCE)
            .build();

    Http2Faults(Target target, Keys keys, Outcomes outcomes) {
        this.target = target;
        this.keys = keys;
        this.outcomes = outcomes;
    }

    /** Reads a part of a stream, or all, and resets it. */
    String reset(RandomGenerator random) throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(target.base() + target.endpoint()))
                .timeout(PATIENCE)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(
                        Prompts.body(target, Prompts.words(8, random), TOKENS, true)));
        String key = keys.of(0);
        if (key != null) {
            request.header("Authorization", "Bearer " + key);
        }
        outcomes.open(1);
        HttpResponse<InputStream> response = http.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
        try (InputStream body = response.body()) {
            if (response.statusCode() == 429) {
                return "429";
            }
            if (response.statusCode() != 200) {
                throw new IOException("HTTP/" + response.version() + " " + response.statusCode() + ": "
                        + RawHttp.brief(new String(body.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8)));
            }
            body.readNBytes(random.nextInt(3000));
        }
        return (response.version() == HttpClient.Version.HTTP_2 ? "HTTP/2" : "HTTP/1.1") + ", reset";
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
