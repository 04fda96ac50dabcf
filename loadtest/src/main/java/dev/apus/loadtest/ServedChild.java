package dev.apus.loadtest;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A server that a load test has started itself, {@code ./apus serve}, and ends. */
final class ServedChild implements AutoCloseable {
    /** The first start builds the server and may fetch a model. */
    private static final Duration START = Duration.ofMinutes(10);

    private static final Duration STOP = Duration.ofMinutes(1);
    private static final Pattern ADDRESS = Pattern.compile(" serves .* on (https?://[^,\\s]+),");

    private final Process process;
    private final Path log;
    private final URI url;

    private ServedChild(Process process, Path log, URI url) {
        this.process = process;
        this.log = log;
        this.url = url;
    }

    /**
     * Starts it and waits until it listens.
     *
     * @param launcher the file {@code apus}
     * @param arguments for {@code serve}; the port is any free one
     * @param log file for all that it writes
     */
    static ServedChild start(Path launcher, List<String> arguments, Path log) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(launcher.toString(), "serve"));
        command.addAll(arguments);
        command.addAll(List.of("--port", "0"));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        long end = System.nanoTime() + START.toNanos();
        while (process.isAlive() && System.nanoTime() < end) {
            Matcher address = ADDRESS.matcher(Files.readString(log));
            if (address.find()) {
                return new ServedChild(process, log, URI.create(address.group(1)));
            }
            Thread.sleep(200);
        }
        process.destroy();
        throw new IOException("the server did not start; its log is " + log + " and ends with:\n"
                + Files.readString(log).lines().toList().stream()
                        .skip(lastLines(log))
                        .toList());
    }

    private static long lastLines(Path log) throws IOException {
        return Math.max(0, Files.readString(log).lines().count() - 10);
    }

    URI url() {
        return url;
    }

    long pid() {
        return process.pid();
    }

    /** Asks it to stop (SIGTERM), and waits. */
    @Override
    public void close() throws IOException {
        process.destroy();
        try {
            if (!process.waitFor(STOP.toSeconds(), TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new IOException(
                        "the server did not stop within " + STOP.toSeconds() + " s of SIGTERM; its log is " + log);
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
            return;
        }
        if (process.exitValue() != 0) {
            throw new IOException("the server ended with " + process.exitValue() + " on SIGTERM; its log is " + log);
        }
    }
}
