package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.apus.scheduler.Simulation.Done;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Who is served and who is preempted when several tenants want more than there is. Steps take 10 ms of virtual time. */
class FairnessTest {
    private static final Tenant A = Tenant.named("a");
    private static final Tenant B = Tenant.named("b");

    @Test
    void tenantsThatWantMoreThanThereIsAreServedInProportionToTheirWeights() {
        Tenant heavy = new Tenant("heavy", 3, 1);
        List<Done> done = simulation(16, 128, 2000)
                .load(heavy, 100, 0, 20, 60, 20, 1)
                .load(A, 100, 0, 20, 60, 20, 2)
                .run();
        assertThat(tokens(done, heavy, 20) / (double) tokens(done, A, 20)).isCloseTo(3, within(0.3));
    }

    @Test
    void nobodyStarvesBesideATenantThatNeverCeases() {
        List<Done> done = simulation(8, 64, 2000)
                .load(B, 200, 0, 10, 60, 60, 1)
                .add(A, 5, 100, 10)
                .run();
        // Two steps for its prompt, one a token, and what it waits for the room that it takes from the other.
        assertThat(of(done, A).getFirst().timing().finished() * 1e-9).isLessThan(5.25);
    }

    @Test
    void aLongPromptOfAnotherTenantDoesNotHoldUpAShortOne() {
        List<Done> done =
                simulation(8, 64, 2000).add(B, 0, 12_800, 1).add(A, 0.5, 30, 1).run();
        assertThat(of(done, B).getFirst().ended()).isGreaterThan(2);
        assertThat(of(done, A).getFirst().ended()).isLessThan(0.54);
    }

    @Test
    void whoWasAwayHasSavedUpNothing() {
        List<Done> done = simulation(4, 64, 2000)
                .load(A, 100, 0, 20, 60, 20, 1)
                .load(B, 100, 10, 20, 60, 20, 2)
                .run();
        long before = tokens(done, A, 10);
        assertThat(tokens(done, A, 20) - before).isCloseTo(tokens(done, B, 20), within(before / 10));
    }

    @Test
    void priorityCountsWithinATenantOnly() {
        Request first = request("first", 0, A);
        List<Done> done = simulation(1, 64, 100)
                .add(first)
                .add(request("low", 9, A))
                .add(request("high", 1, A))
                .add(request("other", 99, B))
                .run();
        assertThat(done.stream()
                        .sorted(Comparator.comparingDouble(Done::ended))
                        .map(d -> d.request().id()))
                .containsExactly("first", "other", "high", "low");
    }

    @Test
    void onShortageOfBlocksTheTenantServedMostGivesUpItsLast() {
        // Twelve blocks of 16 tokens: the three sequences want up to five each.
        List<Done> done = simulation(8, 256, 12)
                .add(A, 0, 20, 55)
                .add(A, 0, 20, 55)
                .add(B, 0.3, 10, 60)
                .run();
        assertThat(of(done, A).stream().map(d -> d.timing().preemptions())).containsExactly(0, 1);
        assertThat(of(done, B).getFirst().timing().preemptions()).isZero();
    }

    @Test
    void aShareOfTheKvCacheHoldsWhileOthersWait() {
        Tenant capped = new Tenant("capped", 1, 0.5);
        // A sequence of the capped tenant takes up to nine of the 40 blocks, seven at first; those of the other wait
        // for a place.
        Simulation alone = simulation(4, 256, 40);
        Simulation beside = simulation(4, 256, 40);
        for (int i = 0; i < 4; i++) {
            alone.add(capped, 0, 100, 40);
            beside.add(capped, 0, 100, 40);
            beside.add(B, 0, 300, 40);
        }
        assertThat(startedWithin(alone.run(), capped, 0.3)).isEqualTo(4);
        assertThat(startedWithin(beside.run(), capped, 0.3)).isEqualTo(2);
    }

    @Test
    void statisticsAreKeptByTenantAndAddUp() {
        Simulation simulation =
                simulation(4, 64, 100).add(A, 0, 40, 5).add(A, 0, 40, 5).add(B, 0, 7, 9);
        simulation.run();
        assertThat(simulation.tenants())
                .containsExactlyInAnyOrder(
                        new TenantStats("a", 0, 0, 80, 0, 10, 0), new TenantStats("b", 0, 0, 7, 0, 9, 0));
    }

    @Test
    void idleTenantsAreForgotten() {
        Simulation simulation = simulation(4, 64, 100);
        for (int i = 0; i < Tenants.MOST_IDLE + 200; i++) {
            simulation.add(Tenant.named("t" + i), i, 5, 1);
        }
        simulation.run();
        assertThat(simulation.tenants()).hasSize(Tenants.MOST_IDLE);
        assertThat(simulation.tenants()).extracting(TenantStats::name).contains("t" + (Tenants.MOST_IDLE + 199));
    }

    private static Request request(String id, int priority, Tenant tenant) {
        return new Request(id, new int[] {id.length(), 2, 3}, SamplingParams.greedy(3), priority, "", 0)
                .withTenant(tenant);
    }

    private static Simulation simulation(int places, int budget, int blocks) {
        EngineOptions options =
                TestOptions.cpu().maxNumSeqs(places).maxNumBatchedTokens(budget).build();
        return new Simulation(options, blocks, 10, 0);
    }

    private static List<Done> of(List<Done> all, Tenant tenant) {
        return all.stream()
                .filter(done -> done.request().tenant().equals(tenant))
                .toList();
    }

    /** What a tenant was served up to a second, an output token for two. */
    private static long tokens(List<Done> all, Tenant tenant, double until) {
        return of(all, tenant).stream()
                .filter(done -> done.ended() <= until)
                .mapToLong(done -> done.request().prompt().length
                        + 2L * done.request().params().maxTokens())
                .sum();
    }

    private static long startedWithin(List<Done> all, Tenant tenant, double seconds) {
        return of(all, tenant).stream()
                .filter(done -> done.timing().scheduled() <= seconds * 1e9)
                .count();
    }
}
