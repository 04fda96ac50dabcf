package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.Simulation.Done;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * More load than an engine can take, on a virtual clock: 16 places, 256 tokens a step of 10 ms and 0.05 ms a token, prompts of 50 to 150
 * tokens and answers of 30 on average, exponentially distributed. That makes some 40 requests a second.
 */
class OverloadSimulationTest {
    private static final double SECONDS = 60;
    /** Until the engine has seen enough of itself. */
    private static final double FROM = 10;

    private static final double CAPACITY = 38;

    private static Simulation machine() {
        EngineOptions options = TestOptions.cpu()
                .maxNumSeqs(16)
                .maxNumBatchedTokens(256)
                .maxWaiting(100_000)
                .build();
        return new Simulation(options, 1000, 10, 50);
    }

    private static Simulation load(
            Simulation simulation, Tenant tenant, double perSecond, double ttftSeconds, long seed) {
        Random random = new Random(seed);
        double time = 0;
        for (int i = 0; time < SECONDS; i++) {
            time -= Math.log(1 - random.nextDouble()) / perSecond;
            int[] prompt = new int[50 + random.nextInt(100)];
            Arrays.setAll(prompt, t -> random.nextInt(1000));
            int output = (int) Math.ceil(-Math.log(1 - random.nextDouble()) * 30);
            simulation.add(
                    new Request(tenant.name() + i, prompt, SamplingParams.greedy(output), 0, "", Math.round(time * 1e9))
                            .withTenant(tenant)
                            .withTtftDeadlineNanos(Math.round(ttftSeconds * 1e9)));
        }
        return simulation;
    }

    private static List<Done> since(List<Done> done, double from) {
        return done.stream().filter(one -> one.arrived() > from).toList();
    }

    /** Requests a second that were served in time. */
    private static double goodput(List<Done> done, double ttftSeconds) {
        return since(done, FROM).stream()
                        .filter(one -> one.ttftMillis() <= ttftSeconds * 1000)
                        .count()
                / (SECONDS - FROM);
    }

    @ParameterizedTest
    @CsvSource({"0.5, 2", "1, 2", "2, 2", "0.5, 5", "1, 5", "2, 5"})
    void whatIsTakenIsServedInTimeAndNothingIsLostByTheOverload(double ttft, double times) {
        Simulation simulation = load(machine(), Tenant.DEFAULT, CAPACITY * times, ttft, 1);
        List<Done> done = simulation.run();
        List<Done> settled = since(done, FROM);
        long late =
                settled.stream().filter(one -> one.ttftMillis() > ttft * 1000).count();
        long expired = simulation.lost().stream()
                .filter(one -> one.request().arrivalNanos() > FROM * 1e9)
                .filter(one -> !(one.why() instanceof DeadlineException))
                .count();
        assertThat(late / (double) settled.size()).as("served, but late").isLessThan(0.1);
        assertThat(expired / (double) (settled.size() + expired))
                .as("taken, and expired in the queue")
                .isLessThan(0.2);
        assertThat(goodput(done, ttft)).as("served in time, a second").isGreaterThan(0.85 * CAPACITY);
    }

    /** Nothing is refused that would have been served in time: a light load is let through to the last. */
    @ParameterizedTest
    @CsvSource({"0.1, 0.25", "0.25, 0.5", "1, 0.75"})
    void aLightLoadIsNotRefused(double ttft, double times) {
        Simulation simulation = load(machine(), Tenant.DEFAULT, CAPACITY * times, ttft, 1);
        simulation.run();
        assertThat(simulation.lost()).isEmpty();
    }

    /** A tenant within its share is refused nothing by reason of another that sends five times what there is. */
    @Test
    void anotherTenantsOverloadIsItsOwn() {
        Tenant quiet = Tenant.named("quiet");
        Simulation simulation =
                load(load(machine(), Tenant.named("loud"), CAPACITY * 5, 1, 1), quiet, CAPACITY / 4, 1, 2);
        List<Done> done = simulation.run();
        long lost = simulation.lost().stream()
                .filter(one -> one.request().tenant().equals(quiet))
                .count();
        long served = done.stream()
                .filter(one -> one.request().tenant().equals(quiet))
                .count();
        assertThat(lost / (double) (lost + served)).isLessThan(0.02);
        assertThat(simulation.lost()).hasSizeGreaterThan(1000);
    }

    /** The answers get ten times as long: the predictions that were learnt before are wrong, and become right. */
    @Test
    void aLoadThatChangesIsLearnt() {
        Simulation simulation = load(machine(), Tenant.DEFAULT, CAPACITY, 1, 1);
        Random random = new Random(3);
        for (int i = 0; i < 1500; i++) {
            int[] prompt = new int[100];
            Arrays.setAll(prompt, t -> random.nextInt(1000));
            simulation.add(new Request(
                            "long" + i,
                            prompt,
                            SamplingParams.greedy(200 + random.nextInt(200)),
                            0,
                            "",
                            Math.round((SECONDS + i / 15.0) * 1e9))
                    .withTtftDeadlineNanos(1_000_000_000));
        }
        List<Done> late = since(simulation.run(), SECONDS + 30);
        assertThat(late).hasSizeGreaterThan(150);
        assertThat(late.stream().filter(one -> one.ttftMillis() > 1000).count() / (double) late.size())
                .isLessThan(0.2);
    }
}
