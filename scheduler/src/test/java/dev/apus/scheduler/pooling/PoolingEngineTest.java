package dev.apus.scheduler.pooling;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.models.Pooling;
import dev.apus.models.PoolingSettings;
import dev.apus.scheduler.DeadlineException;
import dev.apus.scheduler.GenerationException;
import dev.apus.scheduler.QueueFullException;
import dev.apus.scheduler.Tenant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** How sequences become batches: the budget, the order, fairness, faults. A test takes the turns itself. */
final class PoolingEngineTest {
    private static final int BUDGET = 10;
    private static final int MOST_SEQUENCES = 4;
    private static final long BATCH_NANOS = 1_000_000_000;

    private final ArrayDeque<Turns.Turn> turns = new ArrayDeque<>();
    private final AtomicLong clock = new AtomicLong();
    /** First ids of the sequences of each batch. */
    private final List<List<Integer>> batches = new ArrayList<>();

    private final PoolingRunner runner = new PoolingRunner() {
        @Override
        public int maxTokens() {
            return BUDGET;
        }

        @Override
        public int maxSequences() {
            return MOST_SEQUENCES;
        }

        @Override
        public List<float[][]> run(List<PoolingRequest> batch) {
            clock.addAndGet(BATCH_NANOS);
            batches.add(batch.stream().map(request -> request.ids()[0]).toList());
            assertThat(batch.stream().mapToInt(request -> request.ids().length).sum())
                    .isLessThanOrEqualTo(BUDGET);
            if (batch.stream().anyMatch(request -> request.ids()[0] == 66)) {
                throw new IllegalStateException("66 breaks the model");
            }
            return batch.stream()
                    .map(request -> new float[][] {{request.ids()[0]}})
                    .toList();
        }
    };
    private final PoolingEngine engine = new PoolingEngine(
            new PoolingInfo(1, 100, 8, new PoolingSettings(Pooling.MEAN, true, Map.of(), null, 0), null, null),
            runner,
            turns::add,
            20,
            70,
            clock::get);

    private static PoolingRequest request(int first, int length, Tenant tenant) {
        int[] ids = new int[length];
        ids[0] = first;
        return new PoolingRequest(ids, new int[length], PoolingTask.EMBED, tenant);
    }

    private List<CompletableFuture<float[][]>> submit(int... lengths) {
        List<PoolingRequest> requests = new ArrayList<>();
        for (int i = 0; i < lengths.length; i++) {
            requests.add(request(i, lengths[i], Tenant.DEFAULT));
        }
        return engine.submit(requests);
    }

    private void takeTurns() {
        while (!turns.isEmpty()) {
            turns.remove().run();
        }
    }

    @Test
    void fillsBatchesInOrderUpToTheBudgetOneATurn() {
        List<CompletableFuture<float[][]>> results = submit(4, 6, 1, 1, 1, 1, 1, 8);
        assertThat(turns).hasSize(1);
        assertThat(engine.stats().waiting()).isEqualTo(8);
        turns.remove().run();
        assertThat(batches).containsExactly(List.of(0, 1));
        assertThat(turns).hasSize(1);
        takeTurns();
        assertThat(batches).containsExactly(List.of(0, 1), List.of(2, 3, 4, 5), List.of(6, 7));
        for (int i = 0; i < results.size(); i++) {
            assertThat(results.get(i).join()[0][0]).isEqualTo(i);
        }
        assertThat(engine.stats()).isEqualTo(new PoolingStats(8, 23, 3, 0, 0));
    }

    @Test
    void servesTenantsInProportionToTheirWeights() {
        Tenant busy = Tenant.named("busy");
        Tenant calm = new Tenant("calm", 2, 1);
        List<PoolingRequest> many = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            many.add(request(1, 2, busy));
        }
        engine.submit(many);
        engine.submit(List.of(request(2, 2, calm), request(2, 2, calm), request(2, 2, calm), request(2, 2, calm)));
        takeTurns();
        // Of any three in a row two are calm's while it has work, though busy came first with more.
        List<Integer> order = batches.stream().flatMap(List::stream).toList();
        assertThat(order.subList(0, 6).stream().filter(first -> first == 2)).hasSize(4);
        assertThat(order).hasSize(16);
    }

    @Test
    void leavesOutWhatNobodyWaitsForAnyMore() {
        List<CompletableFuture<float[][]>> results = submit(3, 3, 3);
        results.get(1).cancel(false);
        takeTurns();
        assertThat(batches).containsExactly(List.of(0, 2));
        assertThat(engine.stats().sequences()).isEqualTo(2);
    }

    @Test
    void aFaultConcernsOneSequenceOnly() {
        List<CompletableFuture<float[][]>> results = engine.submit(
                List.of(request(1, 1, Tenant.DEFAULT), request(66, 1, Tenant.DEFAULT), request(2, 1, Tenant.DEFAULT)));
        takeTurns();
        assertThat(results.get(0).join()[0][0]).isEqualTo(1);
        assertThat(results.get(2).join()[0][0]).isEqualTo(2);
        assertThatThrownBy(results.get(1)::join)
                .hasCauseInstanceOf(GenerationException.class)
                .hasMessageContaining("66 breaks the model");
        assertThat(engine.stats().failures()).isEqualTo(1);
        takeTurns();
        assertThat(submit(1)).hasSize(1);
    }

    @Test
    void refusesWhatItCannotRun() {
        assertThatThrownBy(() -> submit(9)).hasMessage("an input has 9 tokens, at most 8 are allowed");
        assertThatThrownBy(() -> engine.submit(List.of(request(100, 1, Tenant.DEFAULT))))
                .hasMessage("token id 100 is outside the vocabulary of 100");
        assertThatThrownBy(() -> engine.submit(List.of(request(-1, 1, Tenant.DEFAULT))))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> engine.submit(
                        List.of(new PoolingRequest(new int[1], new int[1], PoolingTask.CLASSIFY, Tenant.DEFAULT))))
                .hasMessage("the model has no classifier");
        assertThatThrownBy(() -> new PoolingRequest(new int[0], new int[0], PoolingTask.EMBED, Tenant.DEFAULT))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> submit(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1))
                .isInstanceOf(IllegalArgumentException.class);
        submit(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
        assertThatThrownBy(() -> submit(1, 1, 1, 1, 1, 1, 1, 1, 1))
                .isInstanceOf(QueueFullException.class)
                .hasMessage("12 requests are waiting, the limit is 20");
        assertThat(engine.stats().waiting()).isEqualTo(12);
    }

    @Test
    void refusesTokensBeyondTheLimitOnceThereAreSome() {
        submit(8, 8, 8, 8, 8, 8, 8, 8, 6);
        assertThatThrownBy(() -> submit(1))
                .isInstanceOfSatisfying(
                        QueueFullException.class, e -> assertThat(e.limit()).isEqualTo(QueueFullException.Limit.TOKENS))
                .hasMessage("70 tokens are queued, 1 more are beyond the limit of 70");
        takeTurns();
        assertThat(submit(8, 8, 8, 8, 8, 8, 8, 8, 8))
                .as("of one that finds none")
                .hasSize(9);
    }

    /** Full batches, each of which takes a second. */
    @Test
    void refusesWhatWouldBeComputedPastItsDeadline() {
        PoolingRequest eight = request(1, 8, Tenant.DEFAULT);
        for (int i = 0; i < PoolingPace.LEAST_BATCHES; i++) {
            engine.submit(List.of(eight), 1);
            engine.submit(List.of(request(1, BUDGET - 8, Tenant.DEFAULT)), 1);
            takeTurns();
        }
        engine.submit(List.of(eight), 1);
        assertThatThrownBy(() -> engine.submit(List.of(eight), 16 * BATCH_NANOS / BUDGET - 1))
                .isInstanceOf(DeadlineException.class)
                .hasMessageContaining("the answer would come in about");
        engine.submit(List.of(eight), 16 * BATCH_NANOS / BUDGET + 1);
        engine.submit(List.of(eight), 0);
        engine.submit(List.of(request(2, 8, Tenant.named("other"))), 1);
        assertThat(engine.stats().waiting()).as("another tenant's turn is next").isEqualTo(4);
        takeTurns();
        assertThat(engine.stats().waiting()).isZero();
    }

    @Test
    void failsWhatIsQueuedWhenItIsClosed() {
        List<CompletableFuture<float[][]>> results = submit(1, 1);
        engine.close();
        takeTurns();
        assertThat(batches).isEmpty();
        for (CompletableFuture<float[][]> result : results) {
            assertThatThrownBy(result::join).hasCauseInstanceOf(GenerationException.class);
        }
        assertThatThrownBy(() -> submit(1)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void failsWhatIsQueuedWhenItsThreadIsLost() {
        List<CompletableFuture<float[][]>> results = submit(1);
        turns.remove().lost();
        assertThatThrownBy(results.getFirst()::join).hasMessageContaining("the engine has ended");
    }
}
