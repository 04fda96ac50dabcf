package dev.apus.kernels.cuda;

import static dev.apus.kernels.cuda.DeviceOperands.matrix;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.apus.kernels.DType;
import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/**
 * Launches {@code sampling.cu} for logits of one vocabulary: one kernel a batch.
 *
 * <p>A step goes: {@link #write} into pinned memory, upload {@code plan.parameterBytes()} of it, {@link #launch}, download
 * {@code plan.resultBytes()}, {@link #read}. What is launched depends on the plan's rows and flags only, and addresses may be recorded.
 *
 * <p>The order is the CPU sampler's. Two things differ: random numbers are Philox's, so seeds give other texts than on the CPU; and of
 * tokens of equal logits at the edge of a top-p all stay, unless a top-k of at most 256 tokens is asked for too. The logits are left as
 * they are.
 */
final class SamplingKernels implements AutoCloseable {
    /** Blocks of a row where the device has clusters: the largest portable cluster, which holds the widest vocabularies in shared memory. */
    private static final int CLUSTER = 8;
    /** Threads of a block of a cluster; with 256 and 1024 draws were slower on an H200, though 256 do greedy batches 8 % faster. */
    private static final int CLUSTER_THREADS = 512;
    /** Threads of a block that has a row to itself. */
    private static final int ALONE_THREADS = 1024;
    /** What the kernels take of shared memory beside the row, rounded up. */
    private static final int STATIC_SHARED = 8 << 10;
    /** Dynamic shared memory that needs no permission. */
    private static final int PLAIN_SHARED = 48 << 10;
    /** Rows at work at once where copies of them lie in device memory, by cluster: about as many as run at once. */
    private static final int CLUSTERS_AT_ONCE = 16;

    private static final int ARGS_BYTES = 72;

    private final KernelContext context;
    private final int vocab;
    private final int cluster;
    private final int threads;
    private final int sharedBytes;
    private final int rowsAtOnce;
    private final int maxRows;
    private final KernelModule module;
    private final CudaFunction greedy;
    private final CudaFunction rows;
    private final MemorySegment args = Arena.ofAuto().allocate(ARGS_BYTES, Long.BYTES);
    private final long maxParameterBytes;
    private final long maxResultBytes;
    private final long previous;
    private final long saved;
    private final long found;
    private final long values;

    /**
     * Compiles the kernels and allocates their scratch memory.
     *
     * @param maxRows most rows of a batch
     * @param maxParameterBytes most bytes of a parameter block: {@link SamplingBlock#maxParameterBytes}
     * @param maxResultBytes most bytes of a result block: {@link SamplingBlock#maxResultBytes}
     */
    SamplingKernels(KernelContext context, int vocab, int maxRows, long maxParameterBytes, long maxResultBytes) {
        this.context = context;
        this.vocab = vocab;
        this.maxRows = maxRows;
        this.maxParameterBytes = maxParameterBytes;
        this.maxResultBytes = maxResultBytes;
        CudaDevice device = context.device();
        CudaMemory.Figures figures = CudaMemory.Figures.of(device, false);
        cluster = cluster(figures);
        threads = cluster > 1 ? CLUSTER_THREADS : ALONE_THREADS;
        int slice = slice(vocab, cluster);
        int marks = marks(slice);
        long inShared = (long) Float.BYTES * slice + marks;
        boolean resident = isResident(slice, figures);
        if (marks + STATIC_SHARED > device.maxSharedBytes()) {
            throw new IllegalArgumentException("a vocabulary of " + vocab + " ids does not fit: its marks take " + marks
                    + " of " + device.maxSharedBytes() + " bytes of shared memory");
        }
        sharedBytes = resident ? (int) inShared : marks;
        rowsAtOnce = resident ? maxRows : rowsAtOnce(maxRows, figures);
        module = context.compiler()
                .load(
                        "sampling.cu",
                        Map.of(
                                "CLUSTER", String.valueOf(cluster),
                                "THREADS", String.valueOf(threads),
                                "RESIDENT", resident ? "1" : "0"));
        greedy = module.function("sample_greedy");
        rows = module.function("sample_rows");
        if (sharedBytes > PLAIN_SHARED - STATIC_SHARED) {
            rows.allowShared(sharedBytes);
        }
        previous = device.allocate((long) maxRows * Integer.BYTES);
        saved = device.allocate(maxParameterBytes);
        found = device.allocate(maxResultBytes);
        values = resident ? 0 : device.allocate(valueBytes(vocab, maxRows, figures));
    }

    private static int cluster(CudaMemory.Figures device) {
        return device.capability() >= 90 ? CLUSTER : 1;
    }

    /** Bytes of a bit for each id of a slice. */
    private static int marks(int slice) {
        return Integer.BYTES * ((slice + 31) / 32);
    }

    /** Whether a slice of a row lies in shared memory while it is at work. */
    private static boolean isResident(int slice, CudaMemory.Figures device) {
        return (long) Float.BYTES * slice + marks(slice) + STATIC_SHARED <= device.maxSharedBytes();
    }

    private static int rowsAtOnce(int maxRows, CudaMemory.Figures device) {
        return Math.min(maxRows, cluster(device) > 1 ? CLUSTERS_AT_ONCE : device.multiprocessors());
    }

    /** Bytes of the copies of rows that shared memory is too small for. */
    private static long valueBytes(int vocab, int maxRows, CudaMemory.Figures device) {
        int cluster = cluster(device);
        return (long) rowsAtOnce(maxRows, device) * cluster * slice(vocab, cluster) * Float.BYTES;
    }

    /** Device memory that the constructor allocates. */
    static long deviceBytes(
            int vocab, int maxRows, long maxParameterBytes, long maxResultBytes, CudaMemory.Figures device) {
        boolean resident = isResident(slice(vocab, cluster(device)), device);
        return (long) maxRows * Integer.BYTES
                + maxParameterBytes
                + maxResultBytes
                + (resident ? 0 : valueBytes(vocab, maxRows, device));
    }

    /** Ids of a block of a row, a multiple of four so that it reads 16 bytes at a time: as the source has it. */
    static int slice(int vocab, int cluster) {
        return (vocab + 4 * cluster - 1) / (4 * cluster) * 4;
    }

    /**
     * Writes the parameters of a batch.
     *
     * @param logitRows rows of the logits
     * @param pinned where to, at least {@link SamplingBlock#parameterBytes} bytes, on the way to the device until it is uploaded
     */
    SamplingBlock.Plan write(SamplingBatch batch, int logitRows, MemorySegment pinned) {
        SamplingBlock.Plan plan = SamplingBlock.write(batch, logitRows, vocab, pinned);
        if (plan.rows() > maxRows || plan.parameterBytes() > maxParameterBytes || plan.resultBytes() > maxResultBytes) {
            throw new IllegalArgumentException("sampling of " + plan + " exceeds " + maxRows + " rows, "
                    + maxParameterBytes + " bytes of parameters or " + maxResultBytes + " bytes of results");
        }
        return plan;
    }

    /**
     * Launches the sampling of a batch whose parameters are on the device.
     *
     * @param logits F32 {@code [rows, vocab]}
     * @param parameters device address of the uploaded block
     * @param results device address of the result block, {@code plan.resultBytes()} bytes
     * @param sampled device address of room for ids of the most rows of a batch, of which {@code plan.rows()} are written; when
     *     launched it holds those of the step before, to which histories may refer
     */
    void launch(Tensor logits, SamplingBlock.Plan plan, long parameters, long results, long sampled) {
        if (plan.rows() == 0) {
            return;
        }
        CudaTensor source = matrix(logits, "logits", DType.F32, 1, vocab);
        if (plan.previous()) {
            // Rows are not sampled all at once: one may write its id before another has read what was there.
            context.stream().copy(previous, sampled, (long) maxRows * Integer.BYTES);
        }
        long[] addresses = {source.address(), parameters, results, sampled, previous, saved, found, values};
        for (int i = 0; i < addresses.length; i++) {
            args.setAtIndex(JAVA_LONG, i, addresses[i]);
        }
        args.set(JAVA_INT, 64, vocab);
        args.set(JAVA_INT, 68, plan.rows());
        context.args().clear().struct(args, Long.BYTES);
        if (plan.greedy()) {
            greedy.launch(context.stream(), cluster * plan.rows(), 1, 1, threads, 0, context.args());
        } else {
            int grid = cluster * Math.min(plan.rows(), rowsAtOnce);
            rows.launch(context.stream(), grid, 1, 1, threads, sharedBytes, context.args());
        }
    }

    /** Fills the results of a batch from its downloaded block. */
    void read(MemorySegment results, SamplingBatch batch) {
        SamplingBlock.read(results, batch, vocab);
    }

    /** Unloads the kernels and frees their scratch memory; no launch may be under way. */
    @Override
    public void close() {
        module.close();
        for (long address : new long[] {previous, saved, found, values}) {
            if (address != 0) {
                context.device().free(address);
            }
        }
    }
}
