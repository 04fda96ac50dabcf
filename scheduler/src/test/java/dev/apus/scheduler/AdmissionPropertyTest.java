package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;

/** What holds of predictions whatever has been learnt and whatever is queued. */
class AdmissionPropertyTest {
    private static final long SECOND = 1_000_000_000;

    private static AdmissionControl door(Random random, int places, int budget) {
        AdmissionControl door = new AdmissionControl(
                TestOptions.cpu()
                        .maxNumSeqs(places)
                        .maxNumBatchedTokens(Math.max(places, budget))
                        .maxWaiting(10_000)
                        .build(),
                () -> 1);
        int steps = random.nextInt(200);
        for (int i = 0; i < steps; i++) {
            door.rates().step(1 + random.nextInt(budget), random.nextLong(SECOND));
        }
        for (int i = random.nextInt(40); i > 0; i--) {
            door.rates().ended(1 + random.nextInt(2000));
            door.rates().begun(1 + random.nextInt(2000), 0);
            door.rates().full(1 + random.nextInt(places));
            door.rates().check(1 + random.nextDouble() * SECOND, random.nextDouble() * SECOND);
        }
        return door;
    }

    private static Submission submission(Random random, Tenant tenant, int priority) {
        int[] prompt = new int[1 + random.nextInt(500)];
        Request request = new Request("r" + random.nextLong(), prompt, SamplingParams.greedy(50), priority, "", 1);
        return new Submission(request.withTenant(tenant), event -> {}, 1000, 10_000, List.of());
    }

    /** The plain prediction for a request of ten tokens, in nanoseconds. */
    private static double predicted(AdmissionControl door, Tenant tenant, int priority) {
        Request request = new Request("probe", new int[10], SamplingParams.greedy(50), priority, "", 1);
        Submission probe = new Submission(request.withTenant(tenant), event -> {}, 1000, 10_000, List.of());
        door.admit(List.of(probe));
        door.takeBack(probe);
        return probe.predictedWaitNanos;
    }

    @Property(tries = 200)
    void anEmptyEngineRefusesNothing(
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 64) int places,
            @ForAll @IntRange(min = 1, max = 4096) int budget) {
        Random random = new Random(seed);
        AdmissionControl door = door(random, places, budget);
        Submission first = submission(random, Tenant.named("t"), random.nextInt());
        Submission hurried = new Submission(
                first.request.withTtftDeadlineNanos(1).withDeadlineNanos(1), first.listener, 1000, 10_000, List.of());
        door.admit(List.of(hurried));
        assertThat(door.inFlight()).isEqualTo(1);
        door.begun(hurried, random.nextInt(10), 2);
        door.ended(hurried);
        assertThat(door.inFlight()).isZero();
        assertThat(door.queuedTokens()).isZero();
        assertThat(door.tenants()).isZero();
    }

    @Property(tries = 200)
    void theWaitGrowsWithTheTenantsOwnQueue(
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 64) int places,
            @ForAll @IntRange(min = 1, max = 4096) int budget,
            @ForAll @DoubleRange(min = 0.1, max = 10) double weight) {
        Random random = new Random(seed);
        AdmissionControl door = door(random, places, budget);
        Tenant own = new Tenant("own", weight, 1);
        for (int i = random.nextInt(100); i > 0; i--) {
            door.admit(List.of(submission(random, Tenant.named("t" + random.nextInt(5)), random.nextInt(3))));
        }
        double before = 0;
        for (int i = 0; i < 60; i++) {
            double now = predicted(door, own, 0);
            assertThat(now).as("with %s requests before it", i).isFinite().isGreaterThanOrEqualTo(before * (1 - 1e-12));
            before = now;
            door.admit(List.of(submission(random, own, 0)));
        }
    }

    /** The most that another's queue can be is the whole of it; a better priority never waits longer. */
    @Property(tries = 200)
    void othersAndLowerPrioritiesAddNoMoreThanTheyHave(@ForAll long seed) {
        Random random = new Random(seed);
        AdmissionControl apart = door(new Random(seed), 8, 256);
        AdmissionControl together = door(new Random(seed), 8, 256);
        Tenant own = Tenant.named("own");
        for (int i = random.nextInt(200); i > 0; i--) {
            Submission one = submission(random, random.nextBoolean() ? own : Tenant.named("t"), random.nextInt(4));
            Request request = one.request;
            apart.admit(List.of(one));
            together.admit(List.of(
                    new Submission(request.withTenant(own).withPriority(0), one.listener, 1000, 10_000, List.of())));
        }
        double last = Double.MAX_VALUE;
        for (int priority : new int[] {100, 16, 3, 2, 1, 0, -1, -100}) {
            double wait = predicted(apart, own, priority);
            assertThat(wait).isLessThanOrEqualTo(predicted(together, own, 0) * (1 + 1e-9));
            if (priority <= 16) {
                assertThat(wait).as("priority " + priority).isLessThanOrEqualTo(last);
                last = wait;
            }
        }
    }
}
