package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.quant.Dequantizer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Copies tensors of a checkpoint to the device, converted to its types: worker threads read the mapped file into pinned buffers, each
 * on a stream of its own, so that reading, converting and copying overlap. Its threads and buffers are there while a model is loaded
 * and end with {@link #close}.
 */
final class WeightUploader implements AutoCloseable {
    /** Bytes of a pinned buffer: long enough that the copy engine is busy, short enough that one matrix keeps all workers busy. */
    private static final int CHUNK_BYTES = 8 << 20;
    /** Elements that are converted at a time; a multiple of every format's block. */
    private static final int PIECE = 1 << 13;
    /** Reading page cache and converting take one core each; more than eight saturate the bus. */
    private static final int MOST_WORKERS = 8;

    /** A pinned buffer, the stream that empties it and the event that says when it is empty. */
    private record Lane(PinnedMemory memory, CudaStream stream, CudaEvent emptied, float[] piece) {}

    private final CudaDevice device;
    private final ExecutorService workers;
    private final BlockingQueue<Lane> lanes;
    private final List<Lane> all = new ArrayList<>();

    WeightUploader(CudaDevice device) {
        this.device = device;
        int count = Math.clamp(Runtime.getRuntime().availableProcessors(), 1, MOST_WORKERS);
        workers = Executors.newFixedThreadPool(
                count, Thread.ofPlatform().name("apus-upload-", 0).daemon(true).factory());
        // Two buffers a worker: one is filled while the other is copied.
        lanes = new ArrayBlockingQueue<>(2 * count);
        for (int i = 0; i < 2 * count; i++) {
            CudaStream stream = device.newStream();
            CudaEvent emptied = device.newEvent();
            emptied.record(stream);
            Lane lane = new Lane(PinnedMemory.allocate(device, CHUNK_BYTES), stream, emptied, new float[PIECE]);
            all.add(lane);
            lanes.add(lane);
        }
    }

    /**
     * Copies a tensor to {@code address} as {@code type}; returns when the source has been read. {@link #finish} waits for the device.
     *
     * @param type F32 or BF16; rounds to nearest even
     */
    void upload(HostTensor given, DType type, long address) {
        // Its memory may belong to the caller's thread. The workers are done with it when this returns, so they may see
        // it.
        MemorySegment data = given.data();
        HostTensor source = new HostTensor(
                given.dtype(),
                given.shape(),
                MemorySegment.ofAddress(data.address()).reinterpret(data.byteSize()));
        long elements = source.elements();
        long perChunk = CHUNK_BYTES / type.byteSize(1) / PIECE * PIECE;
        List<Future<?>> chunks = new ArrayList<>();
        for (long from = 0; from < elements; from += perChunk) {
            long first = from;
            long count = Math.min(perChunk, elements - from);
            chunks.add(workers.submit(() -> chunk(source, type, first, count, address + type.byteSize(first))));
        }
        // All of them, also when interrupted: a caller that has this exception unmaps the file that the workers read.
        boolean interrupted = false;
        for (Future<?> chunk : chunks) {
            interrupted |= awaitEnd(chunk);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while weights were loaded");
        }
        for (Future<?> chunk : chunks) {
            get(chunk);
        }
    }

    /** Waits until a chunk is done or has failed; returns whether the thread was interrupted meanwhile. */
    private static boolean awaitEnd(Future<?> chunk) {
        boolean interrupted = false;
        while (true) {
            try {
                chunk.get();
                return interrupted;
            } catch (InterruptedException e) {
                interrupted = true;
            } catch (ExecutionException e) {
                return interrupted; // told by get()
            }
        }
    }

    private static void get(Future<?> chunk) {
        try {
            chunk.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while weights were loaded", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new IllegalStateException("weights could not be copied to the device", e.getCause());
        }
    }

    private void chunk(HostTensor source, DType type, long first, long count, long address) {
        device.makeCurrent();
        Lane lane = take();
        try {
            lane.emptied.synchronize();
            MemorySegment target = lane.memory.segment();
            if (source.dtype() == type) {
                long bytes = type.byteSize(count);
                MemorySegment.copy(source.data(), type.byteSize(first), target, 0, bytes);
            } else {
                convert(source, type, first, count, target, lane.piece);
            }
            lane.stream.upload(address, target, type.byteSize(count));
            lane.emptied.record(lane.stream);
        } finally {
            lanes.add(lane);
        }
    }

    private Lane take() {
        try {
            return lanes.take();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while weights were loaded", e);
        }
    }

    private static void convert(
            HostTensor source, DType type, long first, long count, MemorySegment target, float[] piece) {
        for (long at = 0; at < count; at += PIECE) {
            int n = (int) Math.min(PIECE, count - at);
            Dequantizer.dequantize(source.dtype(), source.data(), source.dtype().byteSize(first + at), piece, 0, n);
            if (type == DType.F32) {
                MemorySegment.copy(piece, 0, target, ValueLayout.JAVA_FLOAT, 4 * at, n);
            } else {
                for (int i = 0; i < n; i++) {
                    target.setAtIndex(ValueLayout.JAVA_SHORT, at + i, bf16(piece[i]));
                }
            }
        }
    }

    /** To the nearest bf16, ties to even; NaN stays NaN. */
    static short bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) (bits >>> 16 | 0x40);
        }
        return (short) ((bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
    }

    /** Waits until all copies have arrived. */
    void finish() {
        for (Lane lane : all) {
            lane.stream.synchronize();
        }
    }

    @Override
    public void close() {
        workers.shutdown();
        Closing.all(
                this::finish,
                () -> all.forEach(lane -> Closing.all(lane.emptied::close, lane.stream::close, lane.memory::close)));
    }
}
