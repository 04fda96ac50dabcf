package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * OpenAI's Python package against the server. {@code .ci/python} makes the interpreter that has it; the environment variable
 * {@code APUS_TEST_PYTHON} or the system property {@code apus.test.python} names another. Without any the test is skipped.
 */
class OpenAiPythonClientTest {
    private static final Path SCRIPT = Path.of("src/test/scripts/openai_client.py");
    private static final Path DEFAULT_PYTHON = Path.of("../.apus/python/bin/python");
    /** {@code .ci/python} writes it last. */
    private static final Path INSTALLED = Path.of("../.apus/python/installed");
    /** Far longer than the script takes; the import alone may take seconds on a busy machine. */
    private static final int MOST_SECONDS = 100;

    @TempDir
    private Path folder;

    @Test
    @Timeout(2 * MOST_SECONDS)
    void holdsConversations() throws Exception {
        String named = System.getProperty("apus.test.python", System.getenv("APUS_TEST_PYTHON"));
        // One that is named must do; the default may be absent.
        if (named == null) {
            assumeTrue(
                    Files.exists(INSTALLED),
                    "skipped: no Python with the openai package at "
                            + DEFAULT_PYTHON.toAbsolutePath().normalize()
                            + "; run .ci/python to make it, or name one in APUS_TEST_PYTHON");
        }
        String python =
                named == null ? DEFAULT_PYTHON.toAbsolutePath().normalize().toString() : named;
        try (ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()));
                ApiServer full = new ApiServer(new CharTokenizer(), fullEngine())) {
            assertThat(run(List.of(python, SCRIPT.toString(), server.url() + "/v1", full.url() + "/v1")))
                    .endsWith("passed\n");
        }
    }

    private static ScriptedEngine fullEngine() {
        ScriptedEngine engine = new ScriptedEngine(new EchoScript());
        engine.full = true;
        return engine;
    }

    /** What the command printed, errors included; fails with it if the command does. */
    private String run(List<String> command) throws IOException, InterruptedException {
        Path output = folder.resolve("output");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        boolean ended = process.waitFor(MOST_SECONDS, TimeUnit.SECONDS);
        process.destroyForcibly();
        String printed = Files.readString(output, StandardCharsets.UTF_8);
        assertThat(ended).as("%s ended in time: %s", command, printed).isTrue();
        assertThat(process.exitValue()).as(printed).isZero();
        return printed;
    }
}
