package dev.apus.server.bench;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Starts servers as this process was started, flags and AOT cache included, and takes the time until they are ready. */
public final class StartBench {
    /** Far beyond what any start takes; a server that hangs must not hang its measurement. */
    private static final Duration LIMIT = Duration.ofMinutes(5);

    private static final int POLL_MILLIS = 5;
    private static final int ANSWER_TOKENS = 32;

    private final String mainClass;
    private final Path model;

    /** @param mainClass whose {@code serve} subcommand is run */
    public StartBench(String mainClass, Path model) {
        this.mainClass = mainClass;
        this.model = model;
    }

    /**
     * What one start took; resident bytes are -1 where the system does not tell them.
     *
     * @param readyMillis from the process's start to {@code /ready} answering 200
     * @param cpuMillis of processor time in that time, all threads
     * @param readyBytes resident when ready
     * @param answeredBytes resident after the first answer, that answer's KV blocks included
     */
    public record Start(long readyMillis, long cpuMillis, long readyBytes, long answeredBytes) {}

    /**
     * One start, one answer, one stop.
     *
     * @throws IOException if the server ends, is not ready in time, or does not answer; the message holds its log
     */
    public Start measure() throws IOException, InterruptedException {
        int port = freePort();
        Path log = Files.createTempFile("apus-start-", ".log");
        long started = System.nanoTime();
        Process process = new ProcessBuilder(command(port))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        // Broken off, this process takes its server along.
        Thread hook = Thread.ofPlatform().name("apus-bench-stop").unstarted(process::destroy);
        Runtime.getRuntime().addShutdownHook(hook);
        try {
            while (!exchange(port, "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")) {
                if (!process.isAlive() || System.nanoTime() - started > LIMIT.toNanos()) {
                    throw new IOException("the server did not become ready: " + Files.readString(log));
                }
                Thread.sleep(POLL_MILLIS);
            }
            long ready = (System.nanoTime() - started) / 1_000_000;
            long cpu = process.info().totalCpuDuration().orElse(Duration.ZERO).toMillis();
            long readyBytes = ResidentMemory.bytes(process.pid());
            String body = "{\"prompt\":\"Once upon a time\",\"max_tokens\":" + ANSWER_TOKENS + "}";
            if (!exchange(
                    port,
                    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                            + "Content-Type: application/json\r\nContent-Length: " + body.length() + "\r\n\r\n"
                            + body)) {
                throw new IOException("the server did not answer: " + Files.readString(log));
            }
            return new Start(ready, cpu, readyBytes, ResidentMemory.bytes(process.pid()));
        } finally {
            process.destroy();
            if (!process.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
            removeHook(hook);
            Files.deleteIfExists(log);
        }
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // This process is on its way out, and the hook runs: as it should.
        }
    }

    private List<String> command(int port) {
        List<String> command = new ArrayList<>();
        command.add(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java");
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), mainClass));
        command.addAll(List.of("serve", model.toString(), "--port", String.valueOf(port)));
        return command;
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    /** Whether there is an answer with status 200. */
    private static boolean exchange(int port, String request) {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.setSoTimeout((int) LIMIT.toMillis());
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                    .startsWith("HTTP/1.1 200 ");
        } catch (IOException e) {
            return false; // not listening yet
        }
    }
}
