package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.Role;
import dev.apus.server.auth.SecurityOptions;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A connection that was changed to HTTP/2 by {@code Upgrade: h2c}, past a proxy that looked at its first request only, can do no more than any
 * other: each stream is asked for its key and its role.
 */
@Timeout(30)
class H2cSmugglingTest {
    private static final List<ApiKey> KEYS = List.of(
            ApiKey.ofSecret("user", Principal.of("user", Role.INFERENCE)),
            ApiKey.ofSecret("admin", Principal.of("admin", Role.ADMIN)));

    @Test
    void eachStreamOfAnUpgradedConnectionNeedsItsKeyAndRole() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.security(new SecurityOptions(KEYS)));
                HttpClient client = HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_2)
                        .build()) {
            String url = "http://127.0.0.1:" + fixture.server.port();
            HttpResponse<String> first = client.send(get(url + "/health", "none"), BodyHandlers.ofString());
            assertThat(first.statusCode()).isEqualTo(200);
            assertThat(first.version()).as("it was upgraded").isEqualTo(HttpClient.Version.HTTP_2);
            assertThat(status(client, get(url + "/v1/models", "none"))).isEqualTo(401);
            assertThat(status(client, get(url + "/v1/models", "user"))).isEqualTo(200);
            assertThat(status(client, post(url + "/pause", "none"))).isEqualTo(401);
            assertThat(status(client, post(url + "/pause", "user"))).isEqualTo(403);
            assertThat(status(client, get(url + "/v1/models", "none")))
                    .as("what came before counts for nothing")
                    .isEqualTo(401);
            assertThat(status(client, post(url + "/resume", "admin"))).isEqualTo(200);
        }
    }

    private static int status(HttpClient client, HttpRequest request) throws Exception {
        HttpResponse<String> response = client.send(request, BodyHandlers.ofString());
        assertThat(response.version()).isEqualTo(HttpClient.Version.HTTP_2);
        return response.statusCode();
    }

    private static HttpRequest get(String url, String key) {
        return HttpRequest.newBuilder(URI.create(url))
                .header("authorization", "Bearer " + key)
                .build();
    }

    private static HttpRequest post(String url, String key) {
        return HttpRequest.newBuilder(URI.create(url))
                .header("authorization", "Bearer " + key)
                .POST(HttpRequest.BodyPublishers.noBody())
                .build();
    }
}
