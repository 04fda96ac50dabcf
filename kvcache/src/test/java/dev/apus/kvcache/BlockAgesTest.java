package dev.apus.kvcache;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BlockAgesTest {
    private static final int BLOCK = 4;

    private final BlockHasher hasher = new BlockHasher(BLOCK, 1, 2);
    private final List<String> told = new ArrayList<>();
    private long now = 100;

    private final BlockAges.Listener listener = new BlockAges.Listener() {
        @Override
        public void evicted(long lifetime, long idle) {
            told.add("evicted after " + lifetime + ", idle for " + idle);
        }

        @Override
        public void reused(long gap) {
            told.add("reused after " + gap);
        }
    };

    private BlockManager manager(int blocks, double share) {
        return new BlockManager(blocks, BLOCK, true, new BlockAges(blocks, share, () -> now, listener));
    }

    /** Computes a prompt of full blocks, whose tokens begin with {@code first}, and ends the sequence. */
    private void run(BlockManager manager, int first, int length) {
        int[] prompt = IntStream.range(first, first + length).toArray();
        BlockHashes hashes = hasher.chain(0, 0, 0, "");
        hashes.extend(prompt, length);
        manager.start(0, prompt, length, hashes);
        assertThat(manager.grow(0, length)).isTrue();
        manager.commit(0, prompt, length, hashes);
        manager.free(0);
    }

    @Test
    void tellsOfHitsAndEvictions() {
        BlockManager manager = manager(3, 1);
        run(manager, 0, 5);
        now = 130;
        run(manager, 0, 5);
        assertThat(told).containsExactly("reused after 30");
        now = 170;
        run(manager, 50, 5);
        assertThat(told).containsExactly("reused after 30");
        now = 200;
        run(manager, 90, 8);
        // The block that was never full goes first and is not told of, then the one hit longest ago.
        assertThat(told).containsExactly("reused after 30", "evicted after 100, idle for 70");
        manager.checkInvariants();
    }

    @Test
    void forgettingTheCacheEvicts() {
        BlockManager manager = manager(4, 1);
        run(manager, 0, 8);
        now = 107;
        manager.clearPrefixCache();
        assertThat(told).containsExactly("evicted after 7, idle for 7", "evicted after 7, idle for 7");
    }

    @Test
    void measuresAShareOnly() {
        BlockManager manager = manager(1000, 0.1);
        run(manager, 0, 1000 * BLOCK);
        manager.clearPrefixCache();
        assertThat(told).hasSizeBetween(50, 160);
    }

    @Test
    void refusesAWrongShare() {
        assertThatThrownBy(() -> manager(1, 0)).hasMessageContaining("the share of blocks is 0.0");
        assertThatThrownBy(() -> manager(1, 1.5)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> manager(1, Double.NaN)).isInstanceOf(IllegalArgumentException.class);
    }
}
