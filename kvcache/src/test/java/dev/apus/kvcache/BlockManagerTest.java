package dev.apus.kvcache;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class BlockManagerTest {
    private static final int BLOCK = 4;

    private final BlockHasher hasher = new BlockHasher(BLOCK, 1, 2);
    private final BlockManager manager = new BlockManager(8, BLOCK, true);

    @Test
    void aPromptOfFullBlocksLeavesItsLastBlockToCompute() {
        int[] prompt = tokens(12);
        run(0, prompt, "");
        assertThat(cached(prompt, 12, "")).isEqualTo(8);
        assertThat(cached(tokens(13), 13, "")).isEqualTo(12);
        assertThat(cached(prompt, 4, "")).isZero();
        assertThat(cached(prompt, 1, "")).isZero();
    }

    @Test
    void sharesBlocksWhileTheirOwnerRunsAndAfterIt() {
        run(0, tokens(9), "");
        run(1, tokens(9), "");
        assertThat(manager.freeBlocks()).isEqualTo(4);
        assertThat(Arrays.copyOf(manager.blockTable(1), 2)).isEqualTo(Arrays.copyOf(manager.blockTable(0), 2));
        manager.free(0);
        manager.checkInvariants();
        assertThat(manager.freeBlocks()).isEqualTo(5);
        manager.free(1);
        assertThat(manager.freeBlocks()).isEqualTo(8);
        assertThat(cached(tokens(9), 9, "")).isEqualTo(8);
    }

    @Test
    void saltAndAdapterAndMediaAndEarlierTokensSeparate() {
        int[] prompt = tokens(9);
        run(0, prompt, "tenant-a");
        assertThat(cached(prompt, 9, "tenant-a")).isEqualTo(8);
        assertThat(cached(prompt, 9, "tenant-b")).isZero();
        assertThat(cached(prompt, 9, "")).isZero();
        for (BlockHashes other : new BlockHashes[] {
            hasher.chain(0, 0, 1, "tenant-a"), hasher.chain(1, 0, 0, "tenant-a"), hasher.chain(0, 1, 0, "tenant-a")
        }) {
            other.extend(prompt, 9);
            assertThat(manager.cachedTokens(prompt, 9, other)).isZero();
        }
        int[] changed = prompt.clone();
        changed[0]++;
        assertThat(cached(changed, 9, "tenant-a")).isZero();
    }

    @Test
    void equalKeysWithOtherTokensAreNoHit() {
        int[] prompt = tokens(5);
        run(0, prompt, "");
        BlockHashes hashes = hasher.chain(0, 0, 0, "");
        hashes.extend(prompt, 5);
        int[] forged = {9, 9, 9, 9, 9};
        assertThat(manager.cachedTokens(forged, 5, hashes)).isZero();
    }

    @Test
    void evictsTheTailOfTheLeastRecentlyUsedFirst() {
        run(0, tokens(16), "old");
        run(1, tokens(16), "new");
        manager.free(0);
        manager.free(1);
        BlockHashes hashes = hasher.chain(0, 0, 0, "third");
        assertThat(manager.start(2, tokens(8), 8, hashes)).isZero();
        assertThat(manager.grow(2, 8)).isTrue();
        manager.checkInvariants();
        assertThat(cached(tokens(17), 17, "old")).isEqualTo(8);
        assertThat(cached(tokens(17), 17, "new")).isEqualTo(16);
    }

    @Test
    void reusesBlocksWithoutContentBeforeCachedOnes() {
        run(0, tokens(6), "");
        int partial = manager.blockTable(0)[1];
        manager.free(0);
        manager.grow(1, 1);
        assertThat(manager.blockTable(1)[0]).isEqualTo(partial);
    }

    @Test
    void growsAllOrNothing() {
        assertThat(manager.grow(0, 5 * BLOCK)).isTrue();
        assertThat(manager.grow(1, 4 * BLOCK)).isFalse();
        assertThat(manager.blockCount(1)).isZero();
        assertThat(manager.freeBlocks()).isEqualTo(3);
        assertThat(manager.grow(1, 3 * BLOCK)).isTrue();
        assertThat(manager.freeBlocks()).isZero();
        manager.checkInvariants();
    }

    @Test
    void withoutPrefixCacheNothingIsShared() {
        BlockManager plain = new BlockManager(8, BLOCK, false);
        BlockHashes hashes = hasher.chain(0, 0, 0, "");
        hashes.extend(tokens(8), 8);
        plain.start(0, tokens(8), 8, hashes);
        plain.grow(0, 8);
        plain.commit(0, tokens(8), 8, hashes);
        assertThat(plain.cachedTokens(tokens(9), 9, hashes)).isZero();
        plain.checkInvariants(); // which counts the cached blocks
    }

    @Test
    void clearingTheCacheKeepsRunningSequences() {
        run(0, tokens(9), "");
        manager.clearPrefixCache();
        manager.checkInvariants();
        assertThat(cached(tokens(9), 9, "")).isZero();
        assertThat(manager.blockCount(0)).isEqualTo(3);
        manager.free(0);
        assertThat(manager.freeBlocks()).isEqualTo(8);
    }

    @Test
    void discardingForgetsSharedContentToo() {
        run(0, tokens(9), "");
        run(1, tokens(9), "");
        manager.discard(0);
        manager.checkInvariants();
        assertThat(cached(tokens(9), 9, "")).isZero();
        manager.free(1);
        manager.checkInvariants();
        assertThat(manager.freeBlocks()).isEqualTo(8);
    }

    @Test
    void refusesToStartARowThatHoldsBlocks() {
        run(0, tokens(5), "");
        BlockHashes hashes = hasher.chain(0, 0, 0, "");
        assertThatThrownBy(() -> manager.start(0, tokens(5), 5, hashes))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("row 0 holds 2 blocks");
    }

    private void run(int row, int[] tokens, String salt) {
        BlockHashes hashes = hasher.chain(0, 0, 0, salt);
        hashes.extend(tokens, tokens.length);
        manager.start(row, tokens, tokens.length, hashes);
        assertThat(manager.grow(row, tokens.length)).isTrue();
        manager.commit(row, tokens, tokens.length, hashes);
        manager.checkInvariants();
    }

    private int cached(int[] tokens, int length, String salt) {
        BlockHashes hashes = hasher.chain(0, 0, 0, salt);
        hashes.extend(tokens, length);
        return manager.cachedTokens(tokens, length, hashes);
    }

    private static int[] tokens(int n) {
        int[] tokens = new int[n];
        Arrays.setAll(tokens, i -> 100 + i);
        return tokens;
    }
}
