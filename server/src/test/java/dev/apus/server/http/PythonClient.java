package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Runs scripts of {@code src/test/scripts} with an interpreter that has the clients' packages. {@code .ci/python} makes it; the environment
 * variable {@code APUS_TEST_PYTHON} or the system property {@code apus.test.python} names another. Without any the test is skipped.
 */
final class PythonClient {
    /** Far longer than a script takes; the import alone may take seconds on a busy machine. */
    static final int MOST_SECONDS = 100;

    private static final Path SCRIPTS = Path.of("src/test/scripts");
    private static final Path DEFAULT_PYTHON = Path.of("../.apus/python/bin/python");
    /** {@code .ci/python} writes it last. */
    private static final Path INSTALLED = Path.of("../.apus/python/installed");

    private PythonClient() {}

    /** Runs a script, which must print {@code passed} at its end. */
    static void passes(Path folder, String script, String... arguments) throws IOException, InterruptedException {
        String named = System.getProperty("apus.test.python", System.getenv("APUS_TEST_PYTHON"));
        // One that is named must do; the default may be absent.
        if (named == null) {
            assumeTrue(
                    Files.exists(INSTALLED),
                    "skipped: no Python with the clients' packages at "
                            + DEFAULT_PYTHON.toAbsolutePath().normalize()
                            + "; run .ci/python to make it, or name one in APUS_TEST_PYTHON");
        }
        List<String> command = new ArrayList<>();
        command.add(named == null ? DEFAULT_PYTHON.toAbsolutePath().normalize().toString() : named);
        command.add(SCRIPTS.resolve(script).toString());
        command.addAll(List.of(arguments));
        assertThat(run(folder.resolve("output"), command)).endsWith("passed\n");
    }

    /** What the command printed, errors included; fails with it if the command does. */
    private static String run(Path output, List<String> command) throws IOException, InterruptedException {
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
