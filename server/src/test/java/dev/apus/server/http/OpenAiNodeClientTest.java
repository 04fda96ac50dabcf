package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** OpenAI's package for JavaScript against the server. {@code .ci/node} installs it; without it the test is skipped. */
class OpenAiNodeClientTest {
    private static final Path SCRIPT = Path.of("src/test/scripts/openai_client.mjs");
    private static final Path FOLDER = Path.of("../.apus/node");
    /** {@code .ci/node} writes it last. */
    private static final Path INSTALLED = FOLDER.resolve("installed");
    /** Far longer than the script takes; the start of node alone may take seconds on a busy machine. */
    private static final int MOST_SECONDS = 100;

    @TempDir
    private Path folder;

    @Test
    @Timeout(2 * MOST_SECONDS)
    void holdsConversations() throws Exception {
        assumeTrue(
                Files.exists(INSTALLED),
                "skipped: no openai package at " + FOLDER.toAbsolutePath().normalize()
                        + "; run .ci/node to install it");
        Path output = folder.resolve("output");
        try (ApiServer server = new ApiServer(
                new CharTokenizer(),
                new ScriptedEngine(new EchoScript()),
                options -> options.api(new ApiOptions("qwen3", false)))) {
            Process process = new ProcessBuilder("node", SCRIPT.toString(), server.url() + "/v1", FOLDER.toString())
                    .redirectErrorStream(true)
                    .redirectOutput(output.toFile())
                    .start();
            boolean ended = process.waitFor(MOST_SECONDS, TimeUnit.SECONDS);
            process.destroyForcibly();
            String printed = Files.readString(output, StandardCharsets.UTF_8);
            assertThat(ended).as("node ended in time: %s", printed).isTrue();
            assertThat(printed).endsWith("passed\n");
        }
    }
}
