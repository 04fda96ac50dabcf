package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import dev.apus.kernels.cuda.ffi.CublasLt;
import dev.apus.kernels.cuda.ffi.CudaException;
import dev.apus.kernels.cuda.ffi.CudaLaunch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Products of many rows by cuBLASLt: {@code out[rows, n] (=|+=) x[rows, k] W[n, k]^T}. Its proposals are timed once for each shape and
 * bucket of rows, with the caches flushed between them, at the shape's first use outside of a graph's capture; the choice holds until
 * {@link #close}.
 */
final class LibraryProducts implements AutoCloseable {
    /** What NVIDIA advises for Hopper; more brings no other algorithms. */
    private static final long WORKSPACE_BYTES = 32L << 20;
    /** Proposals to time: the best one is rarely behind the sixth. */
    private static final int MOST_PROPOSALS = 8;
    /** Timed runs of a proposal, the fastest of which counts; one more warms it up. */
    private static final int RUNS = 3;
    /**
     * Largest product that is added to its target and timed, in bytes: it is timed on memory of its own, which the memory plan keeps free.
     * 8192 rows of 8192 bf16 outputs; beyond, the first proposal is taken.
     */
    private static final long TIMED_BYTES = 128L << 20;
    /** Layouts kept: all row counts of the graphs, and then some of the prefills. */
    private static final int MOST_LAYOUTS = 4096;
    /** Products that are larger than this in each direction are limited by arithmetic, and row counts close to each other run alike. */
    private static final int LARGE_ROWS = 512;

    /** A shape whose algorithm is chosen. */
    private record Key(int n, int k, int rows, DType outType, boolean add) {
        /** The same with another number of rows. */
        Key of(int count) {
            return new Key(n, k, count, outType, add);
        }
    }

    private record LayoutKey(int type, int rows, int columns) {}

    private final KernelContext context;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment zero = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 0f);
    private final MemorySegment one = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1f);
    /** By the bucket of row counts. */
    private final Map<Key, MemorySegment> chosen = new HashMap<>();
    /** By the very row count, where the bucket's refuses it. */
    private final Map<Key, MemorySegment> exceptions = new HashMap<>();

    private final Map<LayoutKey, Long> layouts = new HashMap<>();
    private final long handle;
    private final long desc;
    private final long preference;
    private final long workspace;

    /** @param context of a device whose process found cuBLASLt */
    LibraryProducts(KernelContext context) {
        this.context = context;
        context.device().makeCurrent();
        handle = CublasLt.create();
        desc = CublasLt.createDesc(CublasLt.COMPUTE_32F);
        CublasLt.setDesc(desc, CublasLt.DESC_TRANSA, CublasLt.OP_T);
        CublasLt.setDesc(desc, CublasLt.DESC_TRANSB, CublasLt.OP_N);
        preference = CublasLt.createPreference(WORKSPACE_BYTES);
        workspace = context.device().allocate(WORKSPACE_BYTES);
    }

    /** Whether cuBLASLt takes such a product at its best: rows that start on 16 bytes, memory as it was allocated. */
    static boolean applies(long out, long x, CudaLinear weight) {
        int unit = weight.dtype() == DType.F32 ? 4 : 8;
        return weight.inFeatures() % unit == 0
                && weight.outFeatures() % unit == 0
                && (out | x | weight.address()) % 256 == 0;
    }

    /**
     * Launches a product.
     *
     * @param out device address of {@code [rows, n]} values of {@code outType}
     * @param x device address of {@code [rows, k]} values of the weight's type
     * @param add whether it is added to {@code out}
     * @return false if cuBLASLt has no algorithm for it; nothing was launched then
     */
    boolean multiply(long out, DType outType, long x, CudaLinear weight, int rows, boolean add) {
        if (layouts.size() >= MOST_LAYOUTS) {
            dropLayouts();
        }
        Key key = new Key(weight.outFeatures(), weight.inFeatures(), bucket(rows), outType, add);
        MemorySegment exception = exceptions.isEmpty() ? null : exceptions.get(key.of(rows));
        if (exception != null) {
            launch(key, rows, out, x, weight, exception);
            return true;
        }
        MemorySegment algorithm = chosen.get(key);
        if (algorithm == null) {
            algorithm = choose(key, rows, out, x, weight);
            if (algorithm == null) {
                return false;
            }
        }
        try {
            launch(key, rows, out, x, weight, algorithm);
        } catch (CudaException e) {
            // An algorithm chosen for the bucket's first row count may refuse another one.
            MemorySegment other = first(key, rows);
            if (other == null) {
                throw e;
            }
            launch(key, rows, out, x, weight, other);
            exceptions.put(key.of(rows), other);
        }
        return true;
    }

    /** Row counts that share an algorithm: up to 64 by eights, then by steps of an eighth of their size. */
    static int bucket(int rows) {
        int step = rows <= 64 ? 8 : Math.max(16, Integer.highestOneBit(rows - 1) / 8);
        return Math.ceilDiv(rows, step) * step;
    }

    private @Nullable MemorySegment first(Key key, int rows) {
        List<CublasLt.Algorithm> proposals = proposals(key, rows, 1);
        return proposals.isEmpty() ? null : proposals.getFirst().algo();
    }

    private List<CublasLt.Algorithm> proposals(Key key, int rows, int most) {
        long d = layout(type(key.outType), key.n, rows);
        int type = type(context.activation());
        return CublasLt.heuristics(
                arena, handle, desc, layout(type, key.k, key.n), layout(type, key.k, rows), d, d, preference, most);
    }

    private @Nullable MemorySegment choose(Key key, int rows, long out, long x, CudaLinear weight) {
        if (CudaLaunch.isCapturing(context.stream().handle())) {
            return first(key, rows); // not kept: the next use outside of a capture times
        }
        List<CublasLt.Algorithm> proposals = proposals(key, rows, MOST_PROPOSALS);
        if (proposals.isEmpty()) {
            return null;
        }
        boolean timed = proposals.size() > 1 && (!key.add || ownBytes(key, rows) <= TIMED_BYTES);
        MemorySegment best = timed
                ? fastest(proposals, key, rows, out, x, weight)
                : proposals.getFirst().algo();
        chosen.put(key, best);
        return best;
    }

    /** Most device memory that timing takes for its while. */
    static long timingBytes(long l2Bytes) {
        return TIMED_BYTES + 2 * l2Bytes;
    }

    private static long ownBytes(Key key, int rows) {
        return key.outType.byteSize((long) rows * key.n);
    }

    private MemorySegment fastest(
            List<CublasLt.Algorithm> proposals, Key key, int rows, long target, long x, CudaLinear weight) {
        CudaDevice device = context.device();
        CudaStream stream = context.stream();
        long flushBytes = rows <= LARGE_ROWS ? 2 * device.l2Bytes() : 0;
        // What is not added to is overwritten by the product itself afterwards.
        long out = key.add ? device.allocate(ownBytes(key, rows)) : target;
        long flush = device.allocate(flushBytes);
        MemorySegment best = proposals.getFirst().algo();
        float least = Float.MAX_VALUE;
        try (CudaEvent start = device.newEvent();
                CudaEvent end = device.newEvent()) {
            for (CublasLt.Algorithm proposal : proposals) {
                float took = Float.MAX_VALUE;
                for (int run = 0; run <= RUNS; run++) {
                    if (flushBytes > 0) {
                        stream.fill(flush, (byte) run, flushBytes);
                    }
                    start.record(stream);
                    launch(key, rows, out, x, weight, proposal.algo());
                    end.record(stream);
                    end.synchronize();
                    took = run == 0 ? took : Math.min(took, end.millisSince(start));
                }
                if (took < least) {
                    least = took;
                    best = proposal.algo();
                }
            }
        } finally {
            stream.synchronize();
            if (key.add) {
                device.free(out);
            }
            device.free(flush);
        }
        return best;
    }

    private void launch(Key key, int rows, long out, long x, CudaLinear weight, MemorySegment algorithm) {
        int type = type(context.activation());
        long d = layout(type(key.outType), key.n, rows);
        CublasLt.matmul(
                handle,
                desc,
                one,
                weight.address(),
                layout(type, key.k, key.n),
                x,
                layout(type, key.k, rows),
                key.add ? one : zero,
                out,
                d,
                out,
                d,
                algorithm,
                workspace,
                WORKSPACE_BYTES,
                context.stream().handle());
    }

    /** A column-major matrix whose columns lie end to end. */
    private long layout(int type, int rows, int columns) {
        LayoutKey key = new LayoutKey(type, rows, columns);
        Long kept = layouts.get(key);
        if (kept != null) {
            return kept;
        }
        long made = CublasLt.createLayout(type, rows, columns, rows);
        layouts.put(key, made);
        return made;
    }

    private void dropLayouts() {
        layouts.values().forEach(CublasLt::destroyLayout);
        layouts.clear();
    }

    private static int type(DType dtype) {
        return dtype == DType.F32 ? CublasLt.R_32F : CublasLt.R_16BF;
    }

    @Override
    public void close() {
        context.device().makeCurrent();
        dropLayouts();
        CublasLt.destroyPreference(preference);
        CublasLt.destroyDesc(desc);
        CublasLt.destroy(handle);
        context.device().free(workspace);
        arena.close();
    }
}
