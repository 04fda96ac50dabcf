package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.StepBatch;
import dev.apus.kernels.cuda.AttentionPlan.Geometry;
import dev.apus.kernels.cuda.AttentionPlan.Work;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** Every row of a step must see each of its keys exactly once, within the bounds that memory and grids are planned by. */
class AttentionPlanTest {
    private static final int AT = 96;
    private static final long DEVICE = 1 << 20;

    @Property(tries = 300)
    void listsCoverEachRowAndKeyOnce(
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 20) int group,
            @ForAll @IntRange(min = 1, max = 16) int kvHeads,
            @ForAll @IntRange(min = 0, max = 200) int window,
            @ForAll @IntRange(min = 1, max = 132) int multiprocessors,
            @ForAll @IntRange(min = 1, max = 40) int sequences) {
        Random random = new Random(seed);
        Geometry geometry = new Geometry(group, kvHeads, window < 20 ? 0 : window);
        StepBatch batch = batch(random, sequences, false);
        AttentionPlan plan = new AttentionPlan(multiprocessors);
        long bytes = plan.bytes(geometry, sequences, batch.tokens());
        MemorySegment segment = MemorySegment.ofArray(new byte[AT + (int) bytes]);

        Work work = plan.plan(batch, geometry, segment, AT, DEVICE);

        assertThat(work.itemGrid()).isEqualTo(segment.get(ValueLayout.JAVA_INT_UNALIGNED, AT));
        assertThat(work.tileGrid()).isEqualTo(segment.get(ValueLayout.JAVA_INT_UNALIGNED, AT + 4));
        check(batch, geometry, plan, entries(segment, work.items(), work.itemGrid()));
        checkTiles(batch, geometry, plan, segment, work);
        assertThat(plan.itemCapacity(geometry, sequences, batch.tokens())).isGreaterThanOrEqualTo(work.itemGrid());
        assertThat(plan.tileCapacity(geometry, sequences, batch.tokens())).isGreaterThanOrEqualTo(work.tileGrid());
    }

    @Property(tries = 200)
    void recordedListsStandAtFixedPlaces(
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 20) int group,
            @ForAll @IntRange(min = 1, max = 132) int multiprocessors,
            @ForAll @IntRange(min = 1, max = 60) int sequences) {
        Random random = new Random(seed);
        Geometry geometry = new Geometry(group, 1 + random.nextInt(8), 0);
        AttentionPlan plan = new AttentionPlan(multiprocessors);
        StepBatch first = batch(random, sequences, true);
        StepBatch second = batch(random, 1 + random.nextInt(sequences), true);
        int shape = sequences + random.nextInt(3);
        MemorySegment segment = MemorySegment.ofArray(new byte[AT + (int) plan.recordedBytes(geometry, shape)]);

        Work recorded = plan.planRecorded(first, geometry, shape, segment, AT, DEVICE);
        checkRecorded(first, geometry, plan, segment, recorded);
        Work later = plan.planRecorded(second, geometry, shape, segment, AT, DEVICE);
        checkRecorded(second, geometry, plan, segment, later);
        assertThat(later).isEqualTo(recorded);
    }

    private static void checkRecorded(
            StepBatch batch, Geometry geometry, AttentionPlan plan, MemorySegment segment, Work work) {
        int items = segment.get(ValueLayout.JAVA_INT_UNALIGNED, AT);
        int tiles = segment.get(ValueLayout.JAVA_INT_UNALIGNED, AT + 4);
        assertThat(items).isLessThanOrEqualTo(work.itemGrid());
        assertThat(tiles).isLessThanOrEqualTo(work.tileGrid());
        assertThat(items + tiles).isPositive();
        check(batch, geometry, plan, entries(segment, work.items(), items));
        checkTiles(batch, geometry, plan, segment, new Work(work.counts(), work.items(), work.tiles(), items, tiles));
    }

    @Test
    void fewLongSequencesAreSplitAndManyAreNot() {
        Geometry geometry = new Geometry(4, 8, 0);
        AttentionPlan plan = new AttentionPlan(132);
        assertThat(items(plan, geometry, 1, 16384)).isEqualTo(32).isEqualTo(plan.parts());
        assertThat(items(plan, geometry, 1, 1024)).isEqualTo(16).isEqualTo(plan.parts());
        assertThat(items(plan, geometry, 8, 1024)).isEqualTo(32);
        assertThat(items(plan, geometry, 32, 1024)).isEqualTo(32);
        assertThat(items(plan, geometry, 256, 1024)).isEqualTo(256);
        assertThat(plan.parts()).isZero();
    }

    @Test
    void aBatchLargerThanTheRecordedShapeIsRefused() {
        Geometry geometry = new Geometry(4, 8, 0);
        AttentionPlan plan = new AttentionPlan(132);
        StepBatch batch = batch(new Random(1), 5, true);
        MemorySegment segment = MemorySegment.ofArray(new byte[1 << 16]);
        assertThatThrownBy(() -> plan.planRecorded(batch, geometry, 4, segment, 0, DEVICE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("5 tokens")
                .hasMessageContaining("recorded for 4");
    }

    private static int items(AttentionPlan plan, Geometry geometry, int sequences, int context) {
        StepBatch batch = new StepBatch(sequences, sequences, 16);
        for (int s = 0; s < sequences; s++) {
            add(batch, context - 1, 1);
        }
        MemorySegment segment = MemorySegment.ofArray(new byte[(int) plan.recordedBytes(geometry, sequences)]);
        plan.planRecorded(batch, geometry, sequences, segment, 0, DEVICE);
        return segment.get(ValueLayout.JAVA_INT_UNALIGNED, 0);
    }

    private static StepBatch batch(Random random, int sequences, boolean single) {
        StepBatch batch = new StepBatch(sequences * 400, sequences, 16);
        for (int s = 0; s < sequences; s++) {
            int before = random.nextInt(4) == 0 ? 0 : random.nextInt(1 + random.nextInt(1500));
            int count = single || random.nextBoolean() ? 1 : 1 + random.nextInt(random.nextBoolean() ? 30 : 400);
            add(batch, before, count);
        }
        return batch;
    }

    private static void add(StepBatch batch, int before, int count) {
        int blocks = (before + count + 15) / 16;
        batch.addSequence(new int[before + count], before, count, new int[blocks], blocks, count - 1);
    }

    private static List<int[]> entries(MemorySegment segment, long address, int count) {
        List<int[]> entries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int[] entry = new int[8];
            for (int k = 0; k < 8; k++) {
                entry[k] = segment.get(ValueLayout.JAVA_INT_UNALIGNED, AT + (address - DEVICE) + 32L * i + 4L * k);
            }
            entries.add(entry);
        }
        return entries;
    }

    /** Keys of each token that items cover, in order: chunk must follow chunk from the first key seen to the token itself. */
    private static void check(StepBatch batch, Geometry geometry, AttentionPlan plan, List<int[]> items) {
        int[] reached = new int[batch.tokens()];
        int[] partsOf = new int[batch.tokens()];
        Set<Integer> parts = new HashSet<>();
        for (int[] item : items) {
            int tokens = item[1] & 0xff;
            int offset = item[1] >> 8;
            int s = batch.sequenceOf[item[0]];
            int count = item[7] >> 16;
            assertThat(tokens * geometry.group()).isBetween(1, AttentionPlan.ITEM_ROWS);
            assertThat(item[0] - offset).isEqualTo(batch.queryStart[s]);
            assertThat(item[2]).isEqualTo(batch.positions[item[0]]);
            assertThat(item[3]).isEqualTo(batch.blockStart[s]);
            assertThat(item[4] % 16).isZero();
            assertThat(item[5]).isGreaterThan(item[4]);
            assertThat(item[6] < 0).isEqualTo(count == 1);
            if (item[6] >= 0) {
                assertThat(parts.add(item[6] + (item[7] & 0xffff))).isTrue();
            }
            for (int i = 0; i < tokens; i++) {
                int t = item[0] + i;
                assertThat(batch.sequenceOf[t]).isEqualTo(s);
                assertThat(partsOf[t]++).isEqualTo(item[7] & 0xffff);
                int seen = geometry.slidingWindow() == 0 ? 0 : Math.max(0, item[2] - geometry.slidingWindow() + 1);
                assertThat(item[4]).isEqualTo(partsOf[t] == 1 ? seen / 16 * 16 : reached[t]);
                reached[t] = item[5];
                if (partsOf[t] == count) {
                    assertThat(item[5]).isEqualTo(batch.positions[item[0] + tokens - 1] + 1);
                    reached[t] = Integer.MAX_VALUE;
                }
            }
        }
        assertThat(parts).hasSize(plan.parts());
        assertThat(plan.parts()).isLessThanOrEqualTo(plan.partCapacity(geometry.kvHeads()));
        for (int part : parts) {
            assertThat(part).isBetween(0, plan.parts() - 1);
        }
        for (int t = 0; t < batch.tokens(); t++) {
            assertThat(reached[t]).isIn(0, Integer.MAX_VALUE);
            assertThat(reached[t] != 0).isEqualTo(hasItems(batch, geometry, t, items));
        }
    }

    private static boolean hasItems(StepBatch batch, Geometry geometry, int token, List<int[]> items) {
        int s = batch.sequenceOf[token];
        int rows = (batch.queryStart[s + 1] - batch.queryStart[s]) * geometry.group();
        return !items.isEmpty() && geometry.group() <= AttentionPlan.ITEM_ROWS && rows <= AttentionPlan.FEW_ROWS;
    }

    private static void checkTiles(
            StepBatch batch, Geometry geometry, AttentionPlan plan, MemorySegment segment, Work work) {
        Set<Long> covered = new HashSet<>();
        int longest = Integer.MAX_VALUE;
        for (int[] tile : entries(segment, work.tiles(), work.tileGrid())) {
            int s = batch.sequenceOf[tile[0]];
            int tokens = batch.queryStart[s + 1] - batch.queryStart[s];
            int rows = tokens * geometry.group();
            assertThat(tile[0]).isEqualTo(batch.queryStart[s]);
            assertThat(tile[1]).isEqualTo(tokens);
            assertThat(tile[2]).isEqualTo(batch.positions[tile[0]]);
            assertThat(tile[3]).isEqualTo(batch.blockStart[s]);
            assertThat(tile[4] % AttentionPlan.TILE_ROWS).isZero();
            assertThat(tile[4]).isBetween(0, rows - 1);
            assertThat(covered.add((long) s << 32 | tile[4])).isTrue();
            int first = tile[2] + tile[4] / geometry.group();
            int last = tile[2] + (Math.min(rows, tile[4] + AttentionPlan.TILE_ROWS) - 1) / geometry.group();
            int from = geometry.slidingWindow() == 0 ? 0 : Math.max(0, first - geometry.slidingWindow() + 1) / 16 * 16;
            assertThat(last + 1 - from).isLessThanOrEqualTo(longest);
            longest = last + 1 - from;
        }
        int expected = 0;
        for (int s = 0; s < batch.sequences(); s++) {
            int rows = (batch.queryStart[s + 1] - batch.queryStart[s]) * geometry.group();
            boolean items = geometry.group() <= AttentionPlan.ITEM_ROWS && rows <= AttentionPlan.FEW_ROWS;
            expected += items ? 0 : Math.ceilDiv(rows, AttentionPlan.TILE_ROWS);
        }
        assertThat(covered).hasSize(expected);
        assertThat(plan.parts()).isNotNegative();
    }
}
