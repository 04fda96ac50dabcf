package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.Simulation.Done;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A tenant that sends ten times the load of another beside that other one, on a machine of 64 places and 512 tokens a step of 20 ms. "Alone
 * at its share" is the quiet tenant on half of the machine: half of the places, of the blocks and of the tokens of each step.
 */
class NoisyNeighbourTest {
    private static final Tenant QUIET = Tenant.named("quiet");
    private static final Tenant LOUD = Tenant.named("loud");
    private static final int PROMPT = 300;
    private static final double SECONDS = 60;
    /** Until the queue is as long as it gets to be for whoever joins it later. */
    private static final double FROM = 10;

    @ParameterizedTest
    @CsvSource({"8, 50", "4, 100", "3, 200"})
    void tenTimesTheLoadOfAnotherRaisesTheTimeToTheFirstTokenByNoMoreThanAQuarter(double perSecond, int output) {
        double alone = quiet(machine(2), perSecond, output, QUIET);
        double beside =
                quiet(machine(1).load(LOUD, perSecond * 10, 0, SECONDS, PROMPT, output, 2), perSecond, output, QUIET);
        assertThat(beside).as("p95 TTFT in ms, %s alone", alone).isLessThanOrEqualTo(alone * 1.25);
        // Without fairness between them, all in one queue, the same load is another matter.
        double inOneQueue = quiet(
                machine(1).load(Tenant.DEFAULT, perSecond * 10, 0, SECONDS, PROMPT, output, 2),
                perSecond,
                output,
                Tenant.DEFAULT);
        assertThat(inOneQueue).isGreaterThan(beside * 10);
    }

    /** The p95 of the tenant {@code of}, of the requests that came before the others ceased. */
    private static double quiet(Simulation simulation, double perSecond, int output, Tenant of) {
        List<Done> done =
                simulation.load(of, perSecond, 0, SECONDS, PROMPT, output, 1).run();
        return Simulation.p95(done, of, FROM, SECONDS);
    }

    private static Simulation machine(int parts) {
        EngineOptions options = TestOptions.cpu()
                .maxNumSeqs(64 / parts)
                .maxNumBatchedTokens(512 / parts)
                .build();
        return new Simulation(options, 4000 / parts, 20, 0);
    }
}
