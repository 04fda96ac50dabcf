package dev.apus.kernels.cuda;

import dev.apus.kernels.StepBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Brings the metadata of a step to the device: one pinned block, one asynchronous copy.
 *
 * <p>The arrays lie in the order of {@code struct Step}, each aligned to {@value #ALIGN} bytes and exactly as long as the step, so that
 * a shape that is recorded in a graph has fixed addresses; behind them the attention's work lists, and last what varies: block tables,
 * then whatever the caller appends. Two pinned blocks alternate: the host fills one while the device may still read the other.
 */
final class StepUpload {
    private static final int ALIGN = 16;
    /** Arrays of {@code struct Step} that are copied; the last field, the ids drawn before, stays on the device. */
    private static final int ARRAYS = 10;

    private final CudaDevice owner;
    private final long device;
    private final long sampled;
    private final PinnedMemory[] pinned = new PinnedMemory[2];
    private final MemorySegment[] structs = new MemorySegment[2];
    private final long capacity;
    private int turn;
    private int at;

    /** @param sampled device address of the ids that the step before has drawn */
    StepUpload(CudaDevice target, Arena arena, long capacity, long sampled) {
        this.capacity = capacity;
        this.sampled = sampled;
        owner = target;
        device = target.allocate(capacity);
        for (int i = 0; i < pinned.length; i++) {
            pinned[i] = PinnedMemory.allocate(target, capacity);
            structs[i] = arena.allocate(8L * (ARRAYS + 1), 8);
        }
    }

    /** Bytes that steps of these sizes need, attention's and sampling's parts apart. */
    static long bytes(long tokens, long sequences, long logitRows, long blockIds) {
        return 4 * (5 * tokens + 3 * sequences + 2 + logitRows + blockIds) + (ARRAYS + 2L) * ALIGN;
    }

    /** Begins the next step in the other pinned block. */
    void begin() {
        turn ^= 1;
        at = 0;
    }

    /** The pinned block being filled. */
    MemorySegment block() {
        return pinned[turn].segment();
    }

    /** Address on the device of byte {@code offset} of the block. */
    long address(int offset) {
        return device + offset;
    }

    /** Reserves {@code bytes} bytes of the block and returns their offset. */
    int reserve(long bytes) {
        int offset = at;
        long end = offset + (bytes + ALIGN - 1) / ALIGN * ALIGN;
        if (end > capacity) {
            throw new IllegalArgumentException(
                    "the metadata of a step needs " + end + " bytes, planned were " + capacity);
        }
        at = (int) end;
        return offset;
    }

    /**
     * Writes the arrays of a step, padded with sequences that compute nothing.
     *
     * @param shape tokens = sequences = logit rows of a recorded shape, or 0 for the batch's own sizes
     * @param betweenBytes bytes to leave free before the block tables, at a place that depends on the shape only
     * @return where all this will lie once {@link #send} has run
     */
    Written write(StepBatch batch, int shape, long betweenBytes) {
        int tokens = shape > 0 ? shape : batch.tokens();
        int sequences = shape > 0 ? shape : batch.sequences();
        int rows = shape > 0 ? shape : batch.logitRowCount();
        MemorySegment step = structs[turn];
        int[] field = {0};
        array(step, field, batch.tokenIds, batch.tokens(), tokens, 0);
        array(step, field, batch.positions, batch.tokens(), tokens, 0);
        array(step, field, batch.ropeRows, batch.tokens(), tokens, 0);
        array(step, field, batch.slots, batch.tokens(), tokens, -1);
        array(step, field, batch.sequenceOf, batch.tokens(), tokens, 0);
        int used = batch.sequences();
        array(step, field, batch.queryStart, used + 1, sequences + 1, batch.tokens());
        array(step, field, batch.kvLength, used, sequences, 0);
        array(step, field, batch.blockStart, used + 1, sequences + 1, batch.blockStart[used]);
        int blocks = batch.blockStart[used];
        int blockField = field[0]++;
        array(step, field, batch.logitRows, batch.logitRowCount(), rows, 0);
        step.setAtIndex(ValueLayout.JAVA_LONG, field[0], sampled);
        int between = reserve(betweenBytes);
        int tables = reserve(4L * blocks);
        MemorySegment.copy(batch.blockIds, 0, block(), ValueLayout.JAVA_INT, tables, blocks);
        step.setAtIndex(ValueLayout.JAVA_LONG, blockField, address(tables));
        return new Written(new StepMeta(step, tokens, sequences, rows), between);
    }

    /**
     * What {@link #write} has written.
     *
     * @param between offset of the bytes left free
     */
    record Written(StepMeta meta, int between) {}

    private void array(MemorySegment step, int[] field, int[] values, int count, int padded, int padding) {
        int offset = reserve(4L * padded);
        MemorySegment block = block();
        MemorySegment.copy(values, 0, block, ValueLayout.JAVA_INT, offset, count);
        for (int i = count; i < padded; i++) {
            block.set(ValueLayout.JAVA_INT, offset + 4L * i, padding);
        }
        step.setAtIndex(ValueLayout.JAVA_LONG, field[0]++, address(offset));
    }

    /** Copies what was reserved since {@link #begin}. */
    void send(CudaStream stream) {
        send(stream, 0);
    }

    /** Copies what was reserved from byte {@code from} on. */
    void send(CudaStream stream, int from) {
        stream.upload(device + from, block().asSlice(from, at - from), at - from);
    }

    /** Bytes that a block has. */
    long capacity() {
        return capacity;
    }

    /** Bytes of the block in use. */
    int used() {
        return at;
    }

    /** Bytes of the block that are not in use. */
    long left() {
        return capacity - at;
    }

    /** Frees the blocks; the device must be done with them. */
    void close() {
        owner.free(device);
        for (PinnedMemory memory : pinned) {
            memory.close();
        }
    }
}
