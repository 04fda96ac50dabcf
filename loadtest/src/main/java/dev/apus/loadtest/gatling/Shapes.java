package dev.apus.loadtest.gatling;

import static io.gatling.javaapi.core.CoreDsl.constantConcurrentUsers;
import static io.gatling.javaapi.core.CoreDsl.constantUsersPerSec;
import static io.gatling.javaapi.core.CoreDsl.incrementConcurrentUsers;

import dev.apus.loadtest.Load;
import dev.apus.loadtest.Plan;
import io.gatling.javaapi.core.ClosedInjectionStep;
import io.gatling.javaapi.core.PopulationBuilder;
import io.gatling.javaapi.core.ScenarioBuilder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongFunction;

/** Who asks how much and when, for each scenario. */
final class Shapes {
    /** Most stages of a ramp. */
    private static final int STAGES = 8;

    /** Long prompts have a quarter as many users as short ones. */
    private static final int SHORT_PER_LONG = 4;

    private static final String STEADY = "steady";

    private Shapes() {}

    /**
     * Users of a kind.
     *
     * @param name the Gatling scenario's
     * @param series from milliseconds since the start to the series that a request belongs to
     * @param tenant number of the tenant among the target's keys
     * @param injection users over time; none: {@code rate} decides
     * @param rate requests a second; 0: {@code injection} decides
     * @param guarded series that limits hold for
     * @param mayRefuse whether 429 and 503 are right answers
     */
    record Population(
            String name,
            LongFunction<String> series,
            int tenant,
            int promptTokens,
            List<ClosedInjectionStep> injection,
            double rate,
            List<String> guarded,
            boolean mayRefuse) {
        PopulationBuilder inject(ScenarioBuilder scenario, Load load) {
            return rate > 0
                    ? scenario.injectOpen(constantUsersPerSec(rate).during(Duration.ofSeconds(load.seconds())))
                    : scenario.injectClosed(injection);
        }
    }

    static List<Population> of(Plan plan) {
        Load load = plan.load();
        return switch (plan.scenario()) {
            case STEADY, HOSTILE, SOAK ->
                List.of(constant(STEADY, 0, load.promptTokens(), load.users(), load, load.rate(), false));
            case RAMP -> List.of(ramp(load));
            case SPIKE -> List.of(spike(load));
            case TENANTS -> tenants(load);
            case LONG_PROMPTS ->
                List.of(
                        constant("short", 0, load.promptTokens(), load.users(), load, 0, false),
                        unguarded(constant(
                                "long",
                                0,
                                load.longPromptTokens(),
                                Math.max(1, load.users() / SHORT_PER_LONG),
                                load,
                                0,
                                false)));
        };
    }

    private static Population constant(
            String name, int tenant, int prompt, int users, Load load, double rate, boolean mayRefuse) {
        List<ClosedInjectionStep> injection =
                List.of(constantConcurrentUsers(users).during(Duration.ofSeconds(load.seconds())));
        return new Population(name, at -> name, tenant, prompt, injection, rate, List.of(name), mayRefuse);
    }

    private static Population unguarded(Population of) {
        return new Population(
                of.name, of.series, of.tenant, of.promptTokens, of.injection, of.rate, List.of(), of.mayRefuse);
    }

    private static Population ramp(Load load) {
        int step = Math.max(1, Math.ceilDiv(load.peakUsers() - load.users(), STAGES - 1));
        int stages = 1 + Math.max(0, Math.ceilDiv(load.peakUsers() - load.users(), step));
        long stageMillis = Math.max(1, load.seconds() * 1000L / stages);
        List<ClosedInjectionStep> injection = List.of(incrementConcurrentUsers(step)
                .times(stages)
                .eachLevelLasting(Duration.ofMillis(stageMillis))
                .startingFrom(load.users()));
        LongFunction<String> series =
                at -> (load.users() + step * (int) Math.min(at / stageMillis, stages - 1)) + " users";
        return new Population("ramp", series, 0, load.promptTokens(), injection, 0, List.of(series.apply(0)), true);
    }

    private static Population spike(Load load) {
        Duration third = Duration.ofMillis(Math.max(1, load.seconds() * 1000L / 3));
        List<ClosedInjectionStep> injection = List.of(
                constantConcurrentUsers(load.users()).during(third),
                constantConcurrentUsers(load.peakUsers()).during(third),
                constantConcurrentUsers(load.users()).during(third));
        List<String> names = List.of("before", "spike", "after");
        LongFunction<String> series = at -> names.get((int) Math.min(at / third.toMillis(), 2));
        return new Population("spike", series, 0, load.promptTokens(), injection, 0, List.of("before", "after"), true);
    }

    private static List<Population> tenants(Load load) {
        List<Population> all = new ArrayList<>();
        for (int i = 0; i < load.tenants(); i++) {
            all.add(constant("tenant-" + (i + 1), i, load.promptTokens(), load.users(), load, 0, false));
        }
        all.add(unguarded(constant("greedy", load.tenants(), load.promptTokens(), load.peakUsers(), load, 0, true)));
        return all;
    }
}
