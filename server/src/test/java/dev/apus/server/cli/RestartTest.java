package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** A process that puts a fresh program in its own place. */
@Timeout(60)
@EnabledOnOs(OS.LINUX)
class RestartTest {
    private static final Instant NOW = Instant.ofEpochSecond(1_800_000_000);

    @Test
    void theSameProcessRunsTheSameCommandWithNothingLeftOfTheOldProgram() throws Exception {
        Process process = start("two words", "", "ü");
        try (BufferedReader out = process.inputReader()) {
            String pid = "pid=" + process.pid();
            assertThat(lines(out, 6))
                    .containsExactly(
                            pid,
                            "arguments=[two words, , ü]",
                            "kept=a b",
                            "restarted=false",
                            "sockets=0",
                            "obstacle=null");
            String port = out.readLine();
            try (Socket client = connect(port)) {
                assertThat(client.getInputStream().read()).isEqualTo('x');
                // Closed by the restart, not by the end of the process.
                assertThat(client.getInputStream().read()).isEqualTo(-1);
            }
            assertThat(lines(out, 5))
                    .containsExactly(pid, "arguments=[two words, , ü]", "kept=a b", "restarted=true", "sockets=0");
            assertThat(out.readLine()).contains("restarted after a fault", "less than 10 minutes");
            assertThat(out.readLine()).isEqualTo(port);
            connect(port).close();
            assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).isZero();
        } finally {
            process.destroyForcibly();
        }
    }

    private static Process start(String... arguments) throws IOException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        ProcessBuilder builder = new ProcessBuilder(
                java,
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-Xmx64m",
                "--enable-native-access=ALL-UNNAMED",
                "-Dstdout.encoding=UTF-8",
                "-Dsun.jnu.encoding=UTF-8",
                "-cp",
                System.getProperty("java.class.path"),
                RestartedProgram.class.getName());
        builder.command().addAll(List.of(arguments));
        builder.environment().keySet().removeIf(name -> name.startsWith("APUS_") || name.endsWith("JAVA_OPTIONS"));
        builder.environment().put("KEPT", "a b");
        builder.redirectError(ProcessBuilder.Redirect.INHERIT);
        return builder.start();
    }

    private static List<String> lines(BufferedReader out, int count) throws IOException {
        String[] lines = new String[count];
        for (int i = 0; i < count; i++) {
            lines[i] = out.readLine();
        }
        return List.of(lines);
    }

    private static Socket connect(String port) throws IOException {
        Socket socket =
                new Socket(InetAddress.getLoopbackAddress(), Integer.parseInt(port.substring("port=".length())));
        socket.setSoTimeout(30_000);
        return socket;
    }

    @Test
    void aSecondRestartWithinTenMinutesIsRefused() {
        assertThat(Restart.obstacle(Map.of(), NOW)).isNull();
        assertThat(obstacleAfter(0)).contains("0 s ago");
        assertThat(obstacleAfter(599)).contains("599 s ago", "less than 10 minutes");
        assertThat(obstacleAfter(600)).isNull();
        // A clock that was put back.
        assertThat(obstacleAfter(-5)).isNotNull();
        assertThat(Restart.obstacle(Map.of(Restart.AT, "today"), NOW)).contains(Restart.AT, "'today'");
    }

    private static @Nullable String obstacleAfter(long seconds) {
        return Restart.obstacle(Map.of(Restart.AT, Long.toString(NOW.getEpochSecond() - seconds)), NOW);
    }

    @Test
    void aPortThatWasLeftOpenIsTheOneOfBefore() {
        Map<String, String> environment = Map.of(Restart.PORT, "4711", Restart.ADMIN_PORT, "x");
        assertThat(Restart.port(0, environment, Restart.PORT)).isEqualTo(4711);
        assertThat(Restart.port(8000, environment, Restart.PORT)).isEqualTo(8000);
        assertThat(Restart.port(0, Map.of(), Restart.PORT)).isZero();
        assertThatThrownBy(() -> Restart.port(0, environment, Restart.ADMIN_PORT))
                .isInstanceOf(UsageException.class)
                .hasMessageContaining("APUS_RESTARTED_ADMIN_PORT is 'x'");
    }

    @Test
    void whatTheSystemRefusesIsNamed() {
        assertThat(LibC.exec("/no/such/program", List.of(new byte[0])))
                .hasMessageContaining("execv /no/such/program")
                .hasMessageContaining("No such file or directory (errno 2)");
        assertThatThrownBy(() -> LibC.setEnvironment("A=B", "x"))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("errno 22");
    }
}
