package dev.apus.kernels.cuda;

import dev.apus.kernels.SamplingBatch;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Sampling as a part of steps in flight: each has a pinned block that its results are copied to and an event that says when they are
 * there. The ids drawn stay on the device too, where the next step takes them from.
 */
final class StepSampler implements AutoCloseable {
    /** More rows than any step has logits for: one a sequence, and some for the log-probabilities of prompts. */
    private static final int MOST_ROWS = 1 << 14;

    private static final int FIRST_ROWS = 512;
    private static final long FIRST_PARAMETERS = 2 << 20;
    private static final long FIRST_RESULTS = 256 << 10;

    private final KernelContext context;
    private final Flight[] flights;
    /** Ids drawn by the last launched step. */
    private final long sampled;

    private @Nullable SamplingKernels kernels;
    private int vocab;
    private int maxRows = FIRST_ROWS;
    private long maxParameters = FIRST_PARAMETERS;
    private long maxResults = FIRST_RESULTS;
    private long results;
    private long launched;
    private long awaited;

    /** A step that was launched and not yet awaited. */
    private static final class Flight {
        final CudaEvent done;

        @Nullable
        PinnedMemory results;

        int rows;

        Flight(CudaEvent done) {
            this.done = done;
        }
    }

    /** @param steps most steps in flight */
    StepSampler(KernelContext context, int steps) {
        this.context = context;
        flights = new Flight[steps];
        for (int i = 0; i < steps; i++) {
            flights[i] = new Flight(context.device().newEvent());
        }
        sampled = context.device().allocate(4L * MOST_ROWS);
        context.stream().fill(sampled, (byte) 0, 4L * MOST_ROWS);
    }

    /** Device address of the ids that the step before has drawn. */
    long sampled() {
        return sampled;
    }

    /** Bytes that {@link #write} needs for a batch over logits of {@code ids} columns. */
    long parameterBytes(SamplingBatch batch, int ids) {
        return SamplingBlock.parameterBytes(batch, ids);
    }

    /** Writes a batch's parameters over logits {@code [logitRows, ids]}, to be copied to the device before {@link #launch}. */
    SamplingBlock.Plan write(SamplingBatch batch, int logitRows, int ids, MemorySegment pinned) {
        return kernels(batch, ids).write(batch, logitRows, pinned);
    }

    /** The kernels for a vocabulary, with scratch for at least this batch; what they have outgrown is freed. */
    private SamplingKernels kernels(SamplingBatch batch, int ids) {
        long parameters = SamplingBlock.parameterBytes(batch, ids);
        long resultBytes = SamplingBlock.resultBytes(batch, ids);
        if (batch.count > MOST_ROWS) {
            throw new IllegalArgumentException(batch.count + " rows to sample; at most " + MOST_ROWS + " a step");
        }
        if (kernels == null
                || vocab != ids
                || batch.count > maxRows
                || parameters > maxParameters
                || resultBytes > maxResults) {
            context.stream().synchronize();
            if (kernels != null) {
                kernels.close();
                kernels = null;
                context.device().free(results);
            }
            vocab = ids;
            maxRows = Math.max(maxRows, rows(batch.count));
            maxParameters = Math.max(maxParameters, CudaMemory.grown(parameters));
            maxResults = Math.max(maxResults, CudaMemory.grown(resultBytes));
            kernels = new SamplingKernels(context, ids, maxRows, maxParameters, maxResults);
            results = context.device().allocate(maxResults);
        }
        return kernels;
    }

    private static int rows(int count) {
        return Math.min(MOST_ROWS, Math.max(FIRST_ROWS, Integer.highestOneBit(Math.max(1, count)) * 2));
    }

    /** Most device memory that batches of so many rows, parameters and results lead to. */
    static long deviceBytes(int vocab, int count, long parameters, long results, CudaMemory.Figures device) {
        long resultBytes = Math.max(FIRST_RESULTS, CudaMemory.grown(results));
        return resultBytes
                + SamplingKernels.deviceBytes(
                        vocab,
                        rows(count),
                        Math.max(FIRST_PARAMETERS, CudaMemory.grown(parameters)),
                        resultBytes,
                        device);
    }

    /**
     * Launches the sampling of a step and the copy of its results.
     *
     * @param plan of the written parameters; null if the step samples nothing
     * @param parameters their device address
     */
    void launch(CudaTensor logits, SamplingBlock.@Nullable Plan plan, long parameters) {
        Flight flight = flights[(int) (launched++ % flights.length)];
        flight.rows = 0;
        SamplingKernels ready = kernels;
        if (plan != null && ready != null) {
            ready.launch(logits, plan, parameters, results, sampled);
            PinnedMemory target = flight.results;
            if (target == null || target.segment().byteSize() < plan.resultBytes()) {
                if (target != null) {
                    target.close();
                }
                target = PinnedMemory.allocate(context.device(), Math.max(maxResults, plan.resultBytes()));
                flight.results = target;
            }
            context.stream().download(target.segment(), results, plan.resultBytes());
            flight.rows = plan.rows();
        }
        flight.done.record(context.stream());
    }

    /** Waits for the oldest launched step and fills its batch. */
    void await(SamplingBatch batch) {
        if (awaited == launched) {
            throw new IllegalStateException("no step is in flight");
        }
        Flight flight = flights[(int) (awaited++ % flights.length)];
        flight.done.synchronize();
        if (flight.rows != batch.count) {
            throw new IllegalStateException(
                    "the oldest step in flight samples " + flight.rows + " rows, its batch has " + batch.count);
        }
        PinnedMemory source = flight.results;
        SamplingKernels ready = kernels;
        if (flight.rows > 0 && source != null && ready != null) {
            ready.read(source.segment(), batch);
        }
    }

    @Override
    public void close() {
        for (Flight flight : flights) {
            flight.done.close();
            if (flight.results != null) {
                flight.results.close();
            }
        }
        if (kernels != null) {
            kernels.close();
        }
    }
}
