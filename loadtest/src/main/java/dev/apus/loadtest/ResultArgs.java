package dev.apus.loadtest;

import dev.apus.loadtest.gatling.GatlingRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options that say where results go. */
final class ResultArgs {
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss");

    @Option(
            names = "--results",
            paramLabel = "FOLDER",
            description =
                    "For report.json and Gatling's report. Default: .apus/loadtest/SCENARIO-TIME of the source tree")
    private @Nullable Path results;

    @Option(names = "--no-html", description = "Make no HTML report.")
    private boolean noHtml;

    boolean html() {
        return !noHtml;
    }

    /** Makes the folder. */
    Path folder(String name) throws IOException {
        Path folder = results != null
                ? results
                : Path.of(
                        System.getProperty("apus.root", "."),
                        ".apus",
                        "loadtest",
                        name + "-" + LocalDateTime.now(ZoneId.systemDefault()).format(TIME));
        return Files.createDirectories(folder.toAbsolutePath());
    }

    /** Says what came of a run; returns the exit status. */
    int tell(GatlingRun.Outcome outcome, Path folder) {
        System.out.println();
        System.out.println(outcome.text());
        System.out.println("Results: " + folder);
        return outcome.passed() ? 0 : 1;
    }
}
