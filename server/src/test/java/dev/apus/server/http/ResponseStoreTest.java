package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.server.http.StoredResponse.State;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What is kept stays within bounds. */
class ResponseStoreTest {
    private long now;

    @Test
    void forgetsWhatWasAskedForLeastRecently() {
        ResponseStore store = store(3, 1 << 20);
        assertThat(List.of("a", "b", "c"))
                .allSatisfy(id -> assertThat(store.put(ended("t", id, 10))).isTrue());
        assertThat(store.get("t", "a")).isNotNull();
        store.put(ended("t", "d", 10));

        assertThat(store.get("t", "b")).isNull();
        assertThat(List.of("a", "c", "d"))
                .allSatisfy(id -> assertThat(store.get("t", id)).isNotNull());
    }

    @Test
    void takesFromTheTenantThatHasMost() {
        ResponseStore store = store(100, 40_000);
        store.put(ended("small", "one", 100));
        for (int i = 0; i < 50; i++) {
            assertThat(store.put(ended("large", "r" + i, 4000))).isTrue();
            assertThat(store.bytes()).isLessThanOrEqualTo(40_000);
        }
        assertThat(store.get("small", "one")).isNotNull();
        assertThat(store.get("large", "r0")).isNull();
        assertThat(store.get("large", "r49")).isNotNull();
    }

    @Test
    void forgetsWhatIsOld() {
        ResponseStore store = store(100, 1 << 20);
        store.put(ended("t", "a", 10));
        now += Duration.ofHours(1).toNanos();
        assertThat(store.get("t", "a")).isNotNull();
        now += 1;
        assertThat(store.get("t", "a")).isNull();
        assertThat(store.count()).isZero();
        assertThat(store.bytes()).isZero();
    }

    @Test
    void doesNotForgetWhatRunsAndTakesNoMoreOfIt() {
        ResponseStore store = store(2, 1 << 20);
        StoredResponse first = running("t", "a");
        assertThat(store.put(first)).isTrue();
        assertThat(store.put(running("t", "b"))).isTrue();
        assertThat(store.put(running("t", "c"))).isFalse();
        assertThat(store.get("t", "c")).isNull();

        first.state(new State("completed", new byte[10], null));
        store.update(first);
        assertThat(store.put(running("t", "c"))).isTrue();
        assertThat(store.get("t", "a")).isNull();
    }

    @Test
    void takesNothingThatWouldFillIt() {
        ResponseStore store = store(100, 8000);
        store.put(ended("t", "a", 10));
        assertThat(store.put(ended("t", "b", 5000))).isFalse();
        assertThat(store.get("t", "a")).isNotNull();
    }

    @Test
    void aGrowingLogThatHasNoRoomIsDropped() {
        ResponseStore store = store(100, 20_000);
        ResponseLog log = new ResponseLog();
        ResponseKeeper keeper =
                new ResponseKeeper(store, "a", "t", new ResponseItems(List.of(), List.of()), null, true);
        StoredResponse response = keeper.begin(new byte[10], log);
        byte[] event = ("data: " + "x".repeat(990) + "\n\n").getBytes(StandardCharsets.US_ASCII);
        for (int i = 0; i < 40; i++) {
            log.append(event);
            keeper.grown();
            assertThat(store.bytes()).isLessThanOrEqualTo(20_000);
        }
        assertThat(log.isDropped()).isTrue();
        assertThat(log.isEnded()).isTrue();
        assertThat(store.get("t", "a")).isSameAs(response);
    }

    /** Turns are counted while anything needs them, and once, whatever is put and removed in which order. */
    @Test
    void accountsForWholeConversations() {
        ResponseStore store = store(1000, 1 << 30);
        Random random = new Random(7);
        for (int round = 0; round < 20; round++) {
            List<StoredResponse> kept = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                StoredResponse before =
                        kept.isEmpty() || random.nextInt(4) == 0 ? null : kept.get(random.nextInt(kept.size()));
                ResponseTurn turn = new ResponseTurn(
                        before == null ? null : before.state().turn(),
                        List.of(ResponseItems.message("user", "x".repeat(random.nextInt(50)))));
                StoredResponse response = ended("t", round + "-" + i, 10, turn);
                store.put(response);
                if (before != null && random.nextInt(3) == 0) {
                    // What goes on with it may come after it is gone.
                    store.remove("t", before.id());
                }
                kept.add(response);
            }
            assertThat(store.bytes()).isPositive();
            kept.forEach(response -> store.remove("t", response.id()));
            assertThat(store.bytes()).isZero();
            assertThat(store.count()).isZero();
        }
    }

    private ResponseStore store(int count, long bytes) {
        return new ResponseStore(new ResponseStore.Limits(count, bytes, Duration.ofHours(1)), () -> now);
    }

    private StoredResponse ended(String tenant, String id, int bytes) {
        return ended(tenant, id, bytes, null);
    }

    private StoredResponse ended(String tenant, String id, int bytes, @Nullable ResponseTurn turn) {
        return new StoredResponse(id, tenant, List.of(), null, new State("completed", new byte[bytes], turn), now);
    }

    private StoredResponse running(String tenant, String id) {
        return new StoredResponse(id, tenant, List.of(), null, new State("queued", new byte[10], null), now);
    }
}
