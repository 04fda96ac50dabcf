package dev.apus.loadtest.gatling;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.loadtest.FakeServer;
import dev.apus.loadtest.FakeServer.Fault;
import dev.apus.loadtest.Load;
import dev.apus.loadtest.Plan;
import dev.apus.loadtest.Scenario;
import dev.apus.loadtest.faults.FaultPlan;
import dev.apus.loadtest.measure.Limit;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Whole runs of Gatling against a server whose every answer is known. */
@Timeout(120)
class GatlingRunTest {
    private static final long PAUSE_MILLIS = 20;

    @TempDir
    private Path folder;

    private GatlingRun.Outcome run(FakeServer server, Scenario scenario, int seconds, boolean html, String... limits)
            throws Exception {
        Load load = new Load(seconds, 2, 3, 0, 1, 8, 32, 16, 10);
        List<Limit> all = Stream.of(limits).map(Limit::parse).toList();
        Path results = folder.resolve(scenario.label() + server.requests());
        Plan plan = new Plan(
                scenario,
                server.target(),
                load,
                all,
                false,
                FaultPlan.none(),
                results.resolve("report.json").toString());
        return GatlingRun.run(plan, results, html);
    }

    @Test
    void measuresWhatTheServerDoes() throws Exception {
        try (FakeServer server = new FakeServer(PAUSE_MILLIS, Fault.NONE, 1)) {
            GatlingRun.Outcome outcome = run(server, Scenario.STEADY, 2, true, "ttft-p50=1000", "itl-p50=1000");
            assertThat(outcome.passed()).as(outcome.text()).isTrue();
            JsonNode steady = outcome.report().path("series").path("steady");
            long completed = steady.path("completed").asLong();
            assertThat(completed).isPositive().isEqualTo(server.requests());
            assertThat(steady.path("output_tokens").asLong()).isEqualTo(completed * FakeServer.TOKENS);
            assertThat(steady.path("prompt_tokens").asLong()).isEqualTo(completed * 7);
            assertThat(steady.path("itl_ms").path("count").asLong()).isEqualTo(completed * (FakeServer.TOKENS - 1));
            assertThat(steady.path("ttft_ms").path("p50").asDouble()).isGreaterThanOrEqualTo(PAUSE_MILLIS - 1);
            assertThat(steady.path("itl_ms").path("p50").asDouble()).isBetween(PAUSE_MILLIS - 2.0, 5.0 * PAUSE_MILLIS);
            assertThat(server.bodies())
                    .allMatch(body -> body.contains("\"stream\":true") && !body.contains("ignore_eos"));
            try (Stream<Path> files = Files.walk(folder)) {
                assertThat(files.map(file -> file.getFileName().toString()))
                        .contains("index.html", "report.json")
                        .noneMatch(name -> name.startsWith("plan"));
            }
        }
    }

    @Test
    void aLimitThatIsMissedIsFound() throws Exception {
        try (FakeServer server = new FakeServer(PAUSE_MILLIS, Fault.NONE, 1)) {
            GatlingRun.Outcome outcome = run(server, Scenario.STEADY, 1, false, "itl-p50=5");
            assertThat(outcome.passed()).isFalse();
            assertThat(outcome.text()).contains("WRONG: steady: itl-p50=5: ");
        }
    }

    @Test
    void errorsAreFoundAndToldApart() throws Exception {
        for (Fault fault : new Fault[] {Fault.BUSY, Fault.ERROR, Fault.CUT_SHORT}) {
            try (FakeServer server = new FakeServer(1, fault, 2)) {
                GatlingRun.Outcome outcome = run(server, Scenario.STEADY, 2, false);
                assertThat(outcome.passed()).as(fault + ": " + outcome.text()).isFalse();
                JsonNode steady = outcome.report().path("series").path("steady");
                assertThat(steady.path("completed").asLong()).isPositive();
                assertThat(steady.path(fault == Fault.BUSY ? "refused" : "failed")
                                .asLong())
                        .as(fault + ": " + outcome.text())
                        .isEqualTo(server.requests() / 2);
            }
        }
    }

    @Test
    void aRampMayBeRefusedAndSaysWhereItEnds() throws Exception {
        try (FakeServer server = new FakeServer(1, Fault.BUSY, 5)) {
            GatlingRun.Outcome outcome = run(server, Scenario.RAMP, 2, false);
            assertThat(outcome.passed()).as(outcome.text()).isTrue();
            assertThat(outcome.text()).contains("2 users", "3 users", "saturation: at ");
        }
    }

    @Test
    void onlyTheGreedyTenantMayBeRefused() throws Exception {
        try (FakeServer server = new FakeServer(1, Fault.NONE, 1)) {
            GatlingRun.Outcome outcome = run(server, Scenario.TENANTS, 1, false, "ttft-p95=2000");
            assertThat(outcome.passed()).as(outcome.text()).isTrue();
            assertThat(outcome.report().path("series").propertyNames()).contains("tenant-1", "greedy");
        }
        try (FakeServer server = new FakeServer(1, Fault.BUSY, 4)) {
            GatlingRun.Outcome outcome = run(server, Scenario.TENANTS, 1, false);
            assertThat(outcome.text()).contains("WRONG: tenant-1: ").doesNotContain("WRONG: greedy");
        }
    }
}
