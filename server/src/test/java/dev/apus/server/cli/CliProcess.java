package dev.apus.server.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The CLI in a JVM of its own, for what a test's JVM cannot have: other standard streams, JVM flags, an environment, signals. */
final class CliProcess {
    /** A llama of a few thousand weights with ChatML's template. */
    static final String TINY = "../models/src/test/resources/golden/gguf-llama/llama-Q4_1.gguf";

    /** Far more than a start takes on a busy machine. */
    private static final int LIMIT_SECONDS = 60;

    private final Path folder;
    private final List<String> flags = new ArrayList<>(
            List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "--enable-native-access=ALL-UNNAMED"));
    private final Map<String, String> environment;

    /** How a run ended and what it printed. */
    record Result(int status, String out, String err) {}

    /** @param folder where the streams' files go; caches of models too, so that a test finds none */
    CliProcess(Path folder, Map<String, String> environment) {
        this.folder = folder;
        this.environment = environment;
    }

    /** With one more JVM flag. */
    CliProcess flag(String flag) {
        flags.add(flag);
        return this;
    }

    /** Runs the command line to its end with {@code input} on a redirected standard input. */
    Result run(String input, String... arguments) throws IOException, InterruptedException {
        Path in = Files.writeString(folder.resolve("in"), input);
        Process process = builder(arguments).redirectInput(in.toFile()).start();
        if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly().waitFor();
            throw new AssertionError(List.of(arguments) + " still ran after " + LIMIT_SECONDS + " s: " + err());
        }
        return new Result(process.exitValue(), Files.readString(folder.resolve("out")), err());
    }

    /** What is on standard error so far. */
    String err() throws IOException {
        return Files.readString(folder.resolve("err"), StandardCharsets.UTF_8);
    }

    /** Starts the command line with standard input that the caller writes; output goes to files. */
    Process start(String... arguments) throws IOException {
        return builder(arguments).start();
    }

    private ProcessBuilder builder(String... arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(flags);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), "dev.apus.server.cli.Main"));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectOutput(folder.resolve("out").toFile())
                .redirectError(folder.resolve("err").toFile());
        builder.environment().keySet().removeIf(name -> name.startsWith("APUS_") || name.endsWith("JAVA_OPTIONS"));
        builder.environment().put("APUS_LOG_LEVEL", "WARN");
        builder.environment().put("APUS_CACHE", folder.toString());
        builder.environment().put("HF_HOME", folder.toString());
        builder.environment().putAll(environment);
        return builder;
    }
}
