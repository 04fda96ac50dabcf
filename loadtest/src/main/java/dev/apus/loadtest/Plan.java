package dev.apus.loadtest;

import dev.apus.loadtest.faults.FaultPlan;
import dev.apus.loadtest.measure.Limit;
import java.nio.file.Path;
import java.util.List;
import tools.jackson.databind.json.JsonMapper;

/**
 * All that a run of Gatling's needs to know. It reads it from a file, since it makes the simulation itself and passes nothing to it.
 *
 * @param limits what latencies may be at most
 * @param mayRefuse whether 429 and 503 are right answers everywhere
 * @param report file for the report
 */
public record Plan(
        Scenario scenario,
        Target target,
        Load load,
        List<Limit> limits,
        boolean mayRefuse,
        FaultPlan faults,
        String report) {
    /** System property that names the file. */
    public static final String PROPERTY = "apus.loadtest.plan";

    private static final JsonMapper JSON = new JsonMapper();

    public Plan {
        limits = List.copyOf(limits);
    }

    public void write(Path file) {
        JSON.writeValue(file, this);
    }

    public static Plan read(Path file) {
        return JSON.readValue(file, Plan.class);
    }
}
