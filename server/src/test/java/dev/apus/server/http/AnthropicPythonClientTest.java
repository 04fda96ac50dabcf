package dev.apus.server.http;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Anthropic's Python package against the server, by {@link PythonClient}. */
class AnthropicPythonClientTest {
    @TempDir
    private Path folder;

    @Test
    @Timeout(2 * PythonClient.MOST_SECONDS)
    void holdsConversations() throws Exception {
        try (ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()));
                ApiServer full = new ApiServer(new CharTokenizer(), OpenAiPythonClientTest.fullEngine())) {
            PythonClient.passes(folder, "anthropic_client.py", server.url(), full.url());
        }
    }
}
