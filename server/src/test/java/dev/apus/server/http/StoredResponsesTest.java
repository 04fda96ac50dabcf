package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The server keeps as many responses as its owner says. */
@Timeout(30)
class StoredResponsesTest {
    private static String ask(ApiServer server) throws IOException, InterruptedException {
        return server.ask("/v1/responses", "{\"input\":\"abc\",\"max_output_tokens\":3}")
                .get("id")
                .asString();
    }

    @Test
    void theOldestGoes() throws Exception {
        ApiOptions two = new ApiOptions("auto", false, 2, ApiOptions.usualStoredBytes());
        try (ApiServer server =
                new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()), options -> options.api(two))) {
            String first = ask(server);
            ask(server);
            String last = ask(server);
            assertThatThrownBy(() -> server.get("/v1/responses/" + first)).hasMessageContaining("404");
            assertThat(server.get("/v1/responses/" + last).get("id").asString()).isEqualTo(last);
        }
    }

    @Test
    void refusesWhatIsOutOfRange() {
        assertThatThrownBy(() -> new ApiOptions("auto", false, 0, 1))
                .hasMessage("max-stored-responses is 0, must be 1 or more");
        assertThatThrownBy(() -> new ApiOptions("auto", false, 1, 0))
                .hasMessage("max-stored-response-bytes is 0, must be 1 or more");
    }
}
