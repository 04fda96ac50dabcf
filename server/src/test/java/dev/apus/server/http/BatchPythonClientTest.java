package dev.apus.server.http;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** OpenAI's Python package against files and batches, by {@link PythonClient}. */
class BatchPythonClientTest {
    @TempDir
    private Path folder;

    @Test
    @Timeout(2 * PythonClient.MOST_SECONDS)
    void runsABatch() throws Exception {
        try (BatchFixture batches = new BatchFixture(folder.resolve("kept"), new ScriptedEngine(new EchoScript()))) {
            PythonClient.passes(folder, "openai_batch.py", batches.server.url() + "/v1");
        }
    }
}
