package dev.apus.kvcache;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/** Drives the manager with random operations beside a model of what each block must contain, and checks both after each. */
class BlockManagerPropertyTest {
    private static final int ROWS = 6;

    @Property(tries = 150)
    void randomOperationsKeepTheInvariants(
            @ForAll long seed, @ForAll @IntRange(min = 1, max = 24) int blocks, @ForAll boolean prefixCaching) {
        new Drive(new Random(seed), blocks, prefixCaching).run(200);
    }

    /** One random life of a manager with {@link #ROWS} sequences. */
    private static final class Drive {
        private final Random random;
        private final int blockSize;
        private final BlockHasher hasher;
        private final BlockManager manager;
        /** Tokens of each row, none if it is not started. */
        private final int[][] tokens = new int[ROWS][];

        private final int[] computed = new int[ROWS];
        private final BlockHashes[] hashes = new BlockHashes[ROWS];
        /** What was last written to each block: "storage", to see that a hit finds the right content. */
        private final int[][] storage;

        Drive(Random random, int blocks, boolean prefixCaching) {
            this.random = random;
            blockSize = 1 + random.nextInt(5);
            hasher = new BlockHasher(blockSize, random.nextLong(), random.nextLong());
            manager = new BlockManager(blocks, blockSize, prefixCaching);
            storage = new int[blocks][blockSize];
            Arrays.fill(tokens, new int[0]);
        }

        void run(int operations) {
            for (int i = 0; i < operations; i++) {
                int row = random.nextInt(ROWS);
                switch (random.nextInt(8)) {
                    case 0, 1 -> start(row);
                    case 2, 3, 4, 5 -> step(row);
                    case 6 -> free(row);
                    default -> lookup(row);
                }
                if (random.nextInt(100) == 0) {
                    manager.clearPrefixCache();
                }
                manager.checkInvariants();
                checkContents();
            }
            for (int row = 0; row < ROWS; row++) {
                free(row);
            }
            manager.checkInvariants();
            assertThat(manager.freeBlocks()).isEqualTo(manager.blocks());
        }

        private void start(int row) {
            free(row);
            // Few symbols and few salts: many sequences share prefixes.
            int[] ids = new int[1 + random.nextInt(4 * blockSize + 3)];
            Arrays.setAll(ids, i -> random.nextInt(8) == 0 ? 1 : 0);
            BlockHashes chain = hasher.chain(0, 0, 0, random.nextBoolean() ? "" : "s");
            chain.extend(ids, ids.length);
            int expected = manager.cachedTokens(ids, ids.length, chain);
            int cached = manager.start(row, ids, ids.length, chain);
            assertThat(cached).isEqualTo(expected).isLessThan(ids.length);
            assertThat(cached % blockSize).isZero();
            tokens[row] = ids;
            computed[row] = cached;
            hashes[row] = chain;
        }

        private void step(int row) {
            if (tokens[row].length == 0) {
                return;
            }
            if (computed[row] == tokens[row].length) {
                tokens[row] = Arrays.copyOf(tokens[row], tokens[row].length + 1);
                tokens[row][tokens[row].length - 1] = random.nextInt(2);
            }
            int count = 1 + random.nextInt(tokens[row].length - computed[row]);
            int before = manager.freeBlocks();
            int need = manager.blocksFor(computed[row] + count) - manager.blockCount(row);
            boolean grown = manager.grow(row, computed[row] + count);
            assertThat(grown).isEqualTo(need <= before);
            assertThat(manager.freeBlocks()).isEqualTo(grown ? before - Math.max(0, need) : before);
            if (!grown) {
                return;
            }
            for (int i = computed[row]; i < computed[row] + count; i++) {
                storage[manager.blockTable(row)[i / blockSize]][i % blockSize] = tokens[row][i];
            }
            computed[row] += count;
            hashes[row].extend(tokens[row], computed[row]);
            manager.commit(row, tokens[row], computed[row], hashes[row]);
        }

        private void free(int row) {
            if (tokens[row].length > 0) {
                manager.free(row);
                tokens[row] = new int[0];
            }
        }

        private void lookup(int row) {
            if (tokens[row].length > 0) {
                int before = manager.freeBlocks();
                hashes[row].extend(tokens[row], tokens[row].length);
                assertThat(manager.cachedTokens(tokens[row], tokens[row].length, hashes[row]))
                        .isLessThan(tokens[row].length);
                assertThat(manager.freeBlocks()).isEqualTo(before);
            }
        }

        private void checkContents() {
            for (int row = 0; row < ROWS; row++) {
                for (int i = 0; tokens[row].length > 0 && i < computed[row]; i++) {
                    assertThat(storage[manager.blockTable(row)[i / blockSize]][i % blockSize])
                            .isEqualTo(tokens[row][i]);
                }
            }
        }
    }
}
