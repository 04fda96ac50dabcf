package dev.apus.kernels.cuda;

import java.util.Arrays;
import java.util.List;

/**
 * Times launches as a step makes them: recorded in a graph, one behind the other, so that neither the host nor the gap between two
 * kernels counts. For the thread that owns the stream.
 */
final class GraphTimer implements AutoCloseable {
    /** Launches of a graph at least: the events around it are half a microsecond apart from what they measure. */
    private static final int FEWEST_LAUNCHES = 32;
    /** Replays are repeated for about so long, but so often at least and at most; their median counts. */
    private static final double SECONDS = 0.05;

    private static final int FEWEST_RUNS = 3;
    private static final int MOST_RUNS = 21;

    private final CudaStream stream;
    private final CudaEvent start;
    private final CudaEvent end;

    GraphTimer(CudaDevice device, CudaStream stream) {
        this.stream = stream;
        start = device.newEvent();
        end = device.newEvent();
    }

    /**
     * Seconds of one of the launches, which are made in turn. Each is made once unrecorded before, so that it may compile and choose.
     *
     * @param launches of one kernel over different operands
     */
    double recorded(List<Runnable> launches) {
        launches.forEach(Runnable::run);
        stream.synchronize();
        int count = launches.size() * Math.ceilDiv(FEWEST_LAUNCHES, launches.size());
        try (CudaGraph graph = record(launches, count)) {
            return median(() -> stream.launch(graph)) / count;
        }
    }

    private CudaGraph record(List<Runnable> launches, int count) {
        stream.beginCapture();
        try {
            for (int i = 0; i < count; i++) {
                launches.get(i % launches.size()).run();
            }
            return stream.endCapture();
        } catch (RuntimeException e) {
            stream.abandonCapture();
            throw e;
        }
    }

    /** Seconds that the device takes for some work: the median of several times. */
    double median(Runnable work) {
        double first = once(work);
        double[] seconds = new double[(int) Math.clamp(SECONDS / first, FEWEST_RUNS, MOST_RUNS)];
        for (int i = 0; i < seconds.length; i++) {
            seconds[i] = once(work);
        }
        Arrays.sort(seconds);
        return seconds[seconds.length / 2];
    }

    /** Seconds that the device takes for some work, which it has ended when this returns. */
    double once(Runnable work) {
        start.record(stream);
        work.run();
        end.record(stream);
        end.synchronize();
        return end.millisSince(start) / 1e3;
    }

    @Override
    public void close() {
        start.close();
        end.close();
    }
}
