package dev.apus.server.http;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** OpenAI's Python package against the server, by {@link PythonClient}. */
class OpenAiPythonClientTest {
    @TempDir
    private Path folder;

    @Test
    @Timeout(2 * PythonClient.MOST_SECONDS)
    void holdsConversations() throws Exception {
        try (ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()));
                ApiServer full = new ApiServer(new CharTokenizer(), fullEngine())) {
            PythonClient.passes(folder, "openai_client.py", server.url() + "/v1", full.url() + "/v1");
        }
    }

    static ScriptedEngine fullEngine() {
        ScriptedEngine engine = new ScriptedEngine(new EchoScript());
        engine.full = true;
        return engine;
    }
}
