package dev.apus.kernels.cuda;

import dev.apus.kernels.StepMarks;
import java.util.Arrays;

/** Marks by events of a stream, a pair for each step, used in turn. */
final class EventMarks implements StepMarks, AutoCloseable {
    private final CudaStream stream;
    private final CudaEvent[] starts = new CudaEvent[STEPS_KEPT];
    private final CudaEvent[] ends = new CudaEvent[STEPS_KEPT];

    EventMarks(CudaDevice device, CudaStream stream) {
        this.stream = stream;
        Arrays.setAll(starts, i -> device.newEvent());
        Arrays.setAll(ends, i -> device.newEvent());
    }

    @Override
    public void start(long step) {
        of(starts, step).record(stream);
    }

    @Override
    public void end(long step) {
        of(ends, step).record(stream);
    }

    @Override
    public double millis(long step) {
        return ended(step).millisSince(of(starts, step));
    }

    @Override
    public double millisBefore(long step) {
        return of(starts, step).millisSince(ended(step - 1));
    }

    /** The step's results are there before its last mark is reached, by some microseconds. */
    private CudaEvent ended(long step) {
        CudaEvent end = of(ends, step);
        end.synchronize();
        return end;
    }

    private static CudaEvent of(CudaEvent[] ring, long step) {
        return ring[(int) (step % ring.length)];
    }

    @Override
    public void close() {
        Arrays.stream(starts).forEach(CudaEvent::close);
        Arrays.stream(ends).forEach(CudaEvent::close);
    }
}
