package dev.apus.server.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A fresh program in this process's place: the same command line and environment under the same process id, nothing else left of the old
 * one. It is what gives a device back after a kernel's fault, since CUDA then refuses every call of the process for good.
 *
 * <p>Variables tell the fresh program when that was, and which ports to listen on where its options leave them open.
 */
final class Restart {
    /** When the program was restarted, in seconds since 1970. */
    static final String AT = "APUS_RESTARTED_AT";
    /** The port that it listened on. */
    static final String PORT = "APUS_RESTARTED_PORT";
    /** The administrator's port that it listened on. */
    static final String ADMIN_PORT = "APUS_RESTARTED_ADMIN_PORT";

    /** A device that fails again so soon is broken, or a request breaks it: better an end that an orchestrator sees than a loop. */
    static final Duration LEAST_BETWEEN = Duration.ofMinutes(10);

    private static final Path SELF = Path.of("/proc/self");
    private static final String PROGRAM = "/proc/self/exe";
    /** Standard input, output and error are kept. */
    private static final int FIRST_CLOSED = 3;

    private Restart() {}

    /** Why the process that has this environment may not be replaced now; null if it may. */
    static @Nullable String obstacle(Map<String, String> environment, Instant now) {
        String before = environment.get(AT);
        if (before != null) {
            try {
                Duration since = Duration.between(Instant.ofEpochSecond(Long.parseLong(before)), now);
                if (since.compareTo(LEAST_BETWEEN) < 0) {
                    return "it was restarted after a fault " + since.toSeconds() + " s ago, less than "
                            + LEAST_BETWEEN.toMinutes() + " minutes";
                }
            } catch (NumberFormatException e) {
                return AT + " is '" + before + "', must be seconds since 1970, as Apus sets it";
            }
        }
        String system = System.getProperty("os.name");
        if (!system.equals("Linux")) {
            return "it can be done on Linux only, this is " + system;
        }
        return Files.isExecutable(Path.of(PROGRAM)) ? null : PROGRAM + " is no program that can be run";
    }

    /** The port to listen on instead of any free one. */
    static int port(int wanted, Map<String, String> environment, String variable) {
        String before = environment.get(variable);
        if (wanted != 0 || before == null) {
            return wanted;
        }
        try {
            return Integer.parseInt(before);
        } catch (NumberFormatException e) {
            throw new UsageException(variable + " is '" + before + "', must be a port, as Apus sets it");
        }
    }

    /**
     * Puts a fresh program in this process's place. Returns never: what has to be written must have been.
     *
     * @param variables what the fresh program finds in its environment besides what this one found
     * @throws IOException why it failed; this program goes on
     */
    static void now(Map<String, String> variables) throws IOException {
        List<byte[]> arguments = split(Files.readAllBytes(SELF.resolve("cmdline")));
        if (arguments.isEmpty()) {
            throw new IOException(SELF.resolve("cmdline") + " is empty");
        }
        for (Map.Entry<String, String> variable : variables.entrySet()) {
            LibC.setEnvironment(variable.getKey(), variable.getValue());
        }
        for (int descriptor : descriptors()) {
            if (descriptor >= FIRST_CLOSED) {
                LibC.closeOnExec(descriptor);
            }
        }
        System.out.flush();
        System.err.flush();
        throw LibC.exec(PROGRAM, arguments);
    }

    /** Each argument ends with a NUL. */
    private static List<byte[]> split(byte[] line) {
        List<byte[]> arguments = new ArrayList<>();
        ByteArrayOutputStream argument = new ByteArrayOutputStream();
        for (byte b : line) {
            if (b == 0) {
                arguments.add(argument.toByteArray());
                argument.reset();
            } else {
                argument.write(b);
            }
        }
        return arguments;
    }

    private static List<Integer> descriptors() throws IOException {
        try (Stream<Path> entries = Files.list(SELF.resolve("fd"))) {
            return entries.map(entry -> Integer.valueOf(entry.getFileName().toString()))
                    .toList();
        }
    }
}
