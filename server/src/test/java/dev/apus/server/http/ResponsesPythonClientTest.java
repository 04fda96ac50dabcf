package dev.apus.server.http;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** OpenAI's Python package against the Responses API, by {@link PythonClient}. */
class ResponsesPythonClientTest {
    @TempDir
    private Path folder;

    @Test
    @Timeout(2 * PythonClient.MOST_SECONDS)
    void keepsWhatItIsAnswered() throws Exception {
        try (ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()))) {
            PythonClient.passes(folder, "openai_responses.py", server.url() + "/v1");
        }
    }
}
