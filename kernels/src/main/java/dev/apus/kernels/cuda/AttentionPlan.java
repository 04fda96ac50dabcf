package dev.apus.kernels.cuda;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.StepBatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Divides the attention of a step among blocks of a device: the work lists of {@code attention_decode.cu} and
 * {@code attention_prefill.cu}.
 *
 * <p>Sequences with few query rows (a row is a query head of a token) are bound by reading their keys and become items: up to
 * {@value #ITEM_ROWS} rows, and a chunk of the keys so long that all items times the kv heads fill the device about twice over (flash
 * decoding; the rule of FlashInfer's scheduler). Others are bound by arithmetic and become tiles of {@value #TILE_ROWS} rows with all
 * their keys, the longest first, so that the device runs dry evenly.
 *
 * <p>A list is written where the caller wants it and has a fixed layout for recorded shapes, so that a CUDA graph can be launched again
 * with another list: {@link #bytes} of it, 32-aligned: the numbers of items and of tiles, then the items, then the tiles, 8 ints each.
 *
 * <p>One object serves one thread; it allocates only to grow.
 */
final class AttentionPlan {
    /** Rows of an item: the M of a tensor core instruction. */
    static final int ITEM_ROWS = 16;
    /** Rows of a tile: {@code ROWS} of the prefill kernels. */
    static final int TILE_ROWS = 128;
    /**
     * Query rows of a sequence up to which it becomes items, each of which reads its keys again, mostly from L2. A tile of so few rows
     * would be mostly padding, and a long prefix would keep one block per kv head busy where items spread over the device.
     */
    static final int FEW_ROWS = 64;
    /** Shortest chunk of keys worth a block: a page for each of its warps. */
    static final int SHORTEST_CHUNK = 64;
    /** Blocks of the decode kernel that a multiprocessor holds. */
    private static final int BLOCKS_PER_MULTIPROCESSOR = 2;

    private static final int PAGE = CudaKvCache.BLOCK;
    private static final int ENTRY_INTS = 8;
    private static final long ENTRY_BYTES = 4 * ENTRY_INTS;

    private final int multiprocessors;
    /** Tiles to sort: what orders them above, their index below. */
    private long[] order = new long[64];

    private int[] tileSequence = new int[64];
    private int[] tileRow = new int[64];

    // The list being written.
    private MemorySegment to = MemorySegment.NULL;
    private long offset;
    private int parts;

    /** @param multiprocessors of the device */
    AttentionPlan(int multiprocessors) {
        this.multiprocessors = multiprocessors;
    }

    /**
     * What a plan depends on of a shape; layers that agree in it share a list.
     *
     * @param group query heads of a kv head
     */
    record Geometry(int group, int kvHeads, int slidingWindow) {
        static Geometry of(AttentionShape shape) {
            return new Geometry(shape.heads() / shape.kvHeads(), shape.kvHeads(), shape.slidingWindow());
        }

        /** Whether a token's rows fit an item. */
        private boolean hasItems() {
            return group <= ITEM_ROWS;
        }

        /** Tokens of an item. */
        private int itemTokens() {
            return ITEM_ROWS / group;
        }

        /** First key in whole pages that a token at a position sees. */
        private int firstKey(int position) {
            return slidingWindow == 0 ? 0 : Math.max(0, position - slidingWindow + 1) / PAGE * PAGE;
        }
    }

    /**
     * A list on the device.
     *
     * @param counts device address of the numbers of items and tiles
     * @param items device address of the items
     * @param tiles device address of the tiles
     * @param itemGrid blocks to launch for items: their number, or the capacity of a recorded shape
     * @param tileGrid likewise for tiles
     */
    record Work(long counts, long items, long tiles, int itemGrid, int tileGrid) {}

    /** Items that fill the device. */
    private int target(int kvHeads) {
        return Math.max(1, BLOCKS_PER_MULTIPROCESSOR * multiprocessors / kvHeads);
    }

    /** Most parts that results of one list are in, of {@link #ITEM_ROWS} rows per kv head each. */
    int partCapacity(int kvHeads) {
        // Only what is at least 1.5 chunks long is split, into at most 4/3 as many parts as it has chunks; all chunks
        // are `target`.
        return target(kvHeads) * 4 / 3 + 1;
    }

    /** Most items of a step. Rounding adds at most one to each unit of rows, and all chunks together are {@link #target}. */
    int itemCapacity(Geometry geometry, int sequences, int tokens) {
        if (!geometry.hasItems()) {
            return 0;
        }
        int perSequence = Math.ceilDiv(FEW_ROWS / geometry.group, geometry.itemTokens());
        return (int) Math.min(tokens, (long) sequences * perSequence) + target(geometry.kvHeads);
    }

    /** Most tiles of a step. */
    int tileCapacity(Geometry geometry, int sequences, int tokens) {
        return Math.toIntExact((long) tokens * geometry.group / TILE_ROWS + sequences);
    }

    /** Bytes of a list of at most so many sequences and tokens. */
    long bytes(Geometry geometry, int sequences, int tokens) {
        return ENTRY_BYTES
                * (1L + itemCapacity(geometry, sequences, tokens) + tileCapacity(geometry, sequences, tokens));
    }

    /** Bytes of a list of a recorded shape. */
    long recordedBytes(Geometry geometry, int tokens) {
        return ENTRY_BYTES * (1L + recordedItems(geometry, tokens) + recordedTiles(geometry, tokens));
    }

    /** Any sequence becomes items where it can, and no item is without a token. */
    private int recordedItems(Geometry geometry, int tokens) {
        return geometry.hasItems() ? tokens + target(geometry.kvHeads) : 0;
    }

    private int recordedTiles(Geometry geometry, int tokens) {
        return geometry.hasItems() ? 0 : tokens * Math.ceilDiv(geometry.group, TILE_ROWS);
    }

    /**
     * Plans a step and launches just what it needs.
     *
     * @param segment where the list goes, {@link #bytes} from {@code at}, a multiple of 4
     * @param device where byte {@code at} will lie on the device, 16-aligned
     */
    Work plan(StepBatch batch, Geometry geometry, MemorySegment segment, long at, long device) {
        begin(segment, at);
        int items = geometry.hasItems() ? items(batch, geometry, FEW_ROWS) : 0;
        int tiles = tiles(batch, geometry, geometry.hasItems() ? FEW_ROWS : 0);
        counts(at, items, tiles);
        long first = device + ENTRY_BYTES;
        return new Work(device, first, first + items * ENTRY_BYTES, items, tiles);
    }

    /**
     * Plans a step for launches that were recorded, or are to be recorded, for any step of that many tokens.
     *
     * @param tokens of the recorded shape, at least the batch's
     * @param segment where the list goes, {@link #recordedBytes} from {@code at}, a multiple of 4
     * @param device where byte {@code at} will lie on the device, 16-aligned
     * @return the same for all batches of a shape
     */
    Work planRecorded(StepBatch batch, Geometry geometry, int tokens, MemorySegment segment, long at, long device) {
        if (batch.tokens() > tokens) {
            throw new IllegalArgumentException("a batch of " + batch.tokens() + " tokens for launches recorded for "
                    + tokens + "; record a larger shape, or launch this step unrecorded");
        }
        begin(segment, at);
        int capacity = recordedItems(geometry, tokens);
        int items = geometry.hasItems() ? items(batch, geometry, Integer.MAX_VALUE) : 0;
        int tiles = geometry.hasItems() ? 0 : tiles(batch, geometry, 0);
        counts(at, items, tiles);
        long first = device + ENTRY_BYTES;
        return new Work(device, first, first + capacity * ENTRY_BYTES, capacity, recordedTiles(geometry, tokens));
    }

    /** Parts of the list last planned. */
    int parts() {
        return parts;
    }

    private void begin(MemorySegment segment, long at) {
        to = segment;
        offset = at + ENTRY_BYTES;
        parts = 0;
    }

    private void counts(long at, int items, int tiles) {
        to.set(ValueLayout.JAVA_INT_UNALIGNED, at, items);
        to.set(ValueLayout.JAVA_INT_UNALIGNED, at + 4, tiles);
        to = MemorySegment.NULL;
    }

    private void entry(int a, int b, int c, int d, int e, int f, int g, int h) {
        put(0, a);
        put(1, b);
        put(2, c);
        put(3, d);
        put(4, e);
        put(5, f);
        put(6, g);
        put(7, h);
        offset += ENTRY_BYTES;
    }

    private void put(int i, int value) {
        to.set(ValueLayout.JAVA_INT_UNALIGNED, offset + 4L * i, value);
    }

    private static int queries(StepBatch batch, int sequence) {
        return batch.queryStart[sequence + 1] - batch.queryStart[sequence];
    }

    private static boolean isFew(StepBatch batch, int sequence, Geometry geometry, int fewRows) {
        return (long) queries(batch, sequence) * geometry.group <= fewRows;
    }

    /** Writes the items of all sequences of at most {@code fewRows} query rows and returns their number. */
    private int items(StepBatch batch, Geometry geometry, int fewRows) {
        long keys = 0;
        for (int s = 0; s < batch.sequences(); s++) {
            if (isFew(batch, s, geometry, fewRows)) {
                keys += keys(batch, geometry, s);
            }
        }
        int chunk = (int) Math.max(SHORTEST_CHUNK, Math.ceilDiv(keys, (long) target(geometry.kvHeads)));
        int written = 0;
        for (int s = 0; s < batch.sequences(); s++) {
            if (isFew(batch, s, geometry, fewRows)) {
                int count = queries(batch, s);
                for (int from = 0; from < count; from += geometry.itemTokens()) {
                    int tokens = Math.min(geometry.itemTokens(), count - from);
                    written += split(batch, geometry, s, from, tokens, chunk);
                }
            }
        }
        return written;
    }

    /** Keys that a sequence's items read. */
    private static long keys(StepBatch batch, Geometry geometry, int sequence) {
        int count = queries(batch, sequence);
        int before = batch.kvLength[sequence] - count;
        long keys = 0;
        for (int from = 0; from < count; from += geometry.itemTokens()) {
            int end = before + Math.min(count, from + geometry.itemTokens());
            keys += end - geometry.firstKey(before + from);
        }
        return keys;
    }

    /** Writes the items of {@code tokens} tokens: as many chunks of about {@code chunk} keys as come nearest. */
    private int split(StepBatch batch, Geometry geometry, int sequence, int from, int tokens, int chunk) {
        int before = batch.kvLength[sequence] - queries(batch, sequence);
        int firstKey = geometry.firstKey(before + from);
        int end = before + from + tokens;
        int length = end - firstKey;
        int wanted = Math.max(1, (2 * length + chunk) / (2 * chunk));
        int step = Math.ceilDiv(Math.ceilDiv(length, wanted), PAGE) * PAGE;
        int count = Math.ceilDiv(length, step);
        for (int i = 0; i < count; i++) {
            int key = firstKey + i * step;
            entry(
                    batch.queryStart[sequence] + from,
                    tokens | from << 8,
                    before + from,
                    batch.blockStart[sequence],
                    key,
                    Math.min(end, key + step),
                    count == 1 ? -1 : parts,
                    i | count << 16);
        }
        parts += count == 1 ? 0 : count;
        return count;
    }

    /** Writes the tiles of all sequences of more than {@code fewRows} query rows and returns their number. */
    private int tiles(StepBatch batch, Geometry geometry, int fewRows) {
        int count = 0;
        for (int s = 0; s < batch.sequences(); s++) {
            if (!isFew(batch, s, geometry, fewRows)) {
                int tokens = queries(batch, s);
                int before = batch.kvLength[s] - tokens;
                int rows = Math.multiplyExact(tokens, geometry.group);
                for (int row = 0; row < rows; row += TILE_ROWS) {
                    int last = before + (Math.min(rows, row + TILE_ROWS) - 1) / geometry.group;
                    int work = last + 1 - geometry.firstKey(before + row / geometry.group);
                    grow(count);
                    order[count] = (long) (Integer.MAX_VALUE - work) << 32 | count;
                    tileSequence[count] = s;
                    tileRow[count] = row;
                    count++;
                }
            }
        }
        Arrays.sort(order, 0, count);
        for (int i = 0; i < count; i++) {
            int tile = (int) order[i];
            int s = tileSequence[tile];
            int tokens = queries(batch, s);
            entry(batch.queryStart[s], tokens, batch.kvLength[s] - tokens, batch.blockStart[s], tileRow[tile], 0, 0, 0);
        }
        return count;
    }

    private void grow(int index) {
        if (index == order.length) {
            order = Arrays.copyOf(order, 2 * index);
            tileSequence = Arrays.copyOf(tileSequence, 2 * index);
            tileRow = Arrays.copyOf(tileRow, 2 * index);
        }
    }
}
