package dev.apus.loadtest.gatling;

import dev.apus.loadtest.Plan;
import io.gatling.app.Gatling$;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A run of Gatling in this process; one at a time. */
public final class GatlingRun {
    private GatlingRun() {}

    /**
     * What came of it.
     *
     * @param report for programs
     * @param text for people
     */
    public record Outcome(boolean passed, JsonNode report, String text) {}

    /**
     * Runs the plan's scenario.
     *
     * @param folder for Gatling's results
     * @param html whether to make Gatling's report
     * @throws IOException if there is no report: the run has broken off, and the log says why
     */
    public static Outcome run(Plan plan, Path folder, boolean html) throws IOException {
        Files.createDirectories(folder);
        Path file = Files.createTempFile(folder, "plan", ".json"); // readable by its owner alone
        plan.write(file);
        System.setProperty(Plan.PROPERTY, file.toString());
        ForgetfulPreferences.install();
        int status;
        try {
            List<String> arguments =
                    List.of("--simulation", ServingSimulation.class.getName(), "--results-folder", folder.toString());
            status = Gatling$.MODULE$.fromArgs(
                    html ? arguments.toArray(String[]::new) : with(arguments, "--no-reports"));
        } finally {
            // It names API keys.
            Files.deleteIfExists(file);
        }
        Path report = Path.of(plan.report());
        if (!Files.isRegularFile(report)) {
            throw new IOException("the run made no report " + report + "; Gatling ended with status " + status);
        }
        JsonNode json = new JsonMapper().readTree(report.toFile());
        return new Outcome(
                status == 0 && json.path("passed").asBoolean(),
                json,
                Files.readString(Path.of(plan.report() + ".txt")));
    }

    private static String[] with(List<String> arguments, String more) {
        String[] all = arguments.toArray(new String[arguments.size() + 1]);
        all[arguments.size()] = more;
        return all;
    }
}
