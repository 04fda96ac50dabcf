package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** A server that works on a batch is killed, as by {@code kill -9}; the next one goes on with it. */
@Timeout(120)
@EnabledOnOs(OS.LINUX)
class BatchKillTest {
    static final String CHAT = "/v1/chat/completions";
    /** Requests that are answered before it is killed. */
    static final int BEFORE = 5;

    private static final int LINES = 60;
    private static final int SIGKILL_EXIT = 128 + 9;

    @TempDir
    private Path folder;

    static String chats(int count) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count; i++) {
            text.append(BatchFixture.chat(i, "hello " + i));
        }
        return text.toString();
    }

    @Test
    void aBatchOutlivesItsServer() throws Exception {
        String id = killedWithin();
        AtomicInteger started = new AtomicInteger();
        EchoScript echo = new EchoScript();
        ScriptedEngine engine = new ScriptedEngine(answer -> {
            started.incrementAndGet();
            echo.play(answer);
        });
        try (BatchFixture batches = new BatchFixture(folder, engine)) {
            JsonNode batch = batches.awaitStatus(id, "completed");
            assertThat(batch.at("/request_counts/completed").asInt()).isEqualTo(LINES);
            Map<String, String> answers = new TreeMap<>();
            for (String line : batches.content(batch, "output_file_id").lines().toList()) {
                JsonNode node = batches.server.tree(line);
                String text =
                        node.at("/response/body/choices/0/message/content").asString();
                assertThat(answers.put(node.get("custom_id").asString(), text))
                        .as("twice: %s", line)
                        .isNull();
            }
            assertThat(answers).hasSize(LINES);
            for (int i = 0; i < LINES; i++) {
                assertThat(answers).containsEntry("r" + i, "hello " + i);
            }
        }
        // What was answered before is not asked again, and there was something left to do.
        assertThat(started.get()).isBetween(1, LINES - BEFORE);
    }

    /** The id of a batch whose server was killed while it worked on it. */
    private String killedWithin() throws Exception {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-XX:+UseSerialGC",
                        "-Xmx256m",
                        "--add-modules",
                        "jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-cp",
                        System.getProperty("java.class.path"),
                        BatchServerProgram.class.getName(),
                        folder.toString(),
                        Integer.toString(LINES))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (BufferedReader out = process.inputReader()) {
            String line = out.readLine();
            while (line != null && !line.startsWith("id=")) {
                line = out.readLine();
            }
            if (line == null) {
                throw new AssertionError("the server ended before its batch ran");
            }
            process.destroyForcibly();
            assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).isEqualTo(SIGKILL_EXIT);
            return line.substring("id=".length());
        } finally {
            process.destroyForcibly();
        }
    }
}
