package dev.apus.kernels.cuda;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The recorded launches of steps that only decode, one graph per number of sequences: a decode step is some hundred launches of a few
 * microseconds, which the device would otherwise wait for. A step is padded to the next recorded size.
 *
 * <p>A size is computed as it comes the first time, which also loads its modules and times its matrix products, and recorded the second
 * time. A recording that fails is logged once and the size computed as it comes from then on.
 */
final class StepGraphs implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StepGraphs.class);
    /** Above the smallest sizes, padding of at most seven sequences costs less than more graphs. */
    private static final int GRID = 8;

    private final int[] sizes;
    private final int[] seen;
    private final @Nullable CudaGraph[] graphs;
    private int layoutVersion;
    /** Graphs that have been recorded so far, those that are void by now counted. */
    private int recorded;

    /** @param most largest number of sequences of a step; 0 records nothing */
    StepGraphs(int most) {
        sizes = sizes(most);
        seen = new int[sizes.length];
        graphs = new CudaGraph[sizes.length];
    }

    /** Recorded numbers of sequences, ascending. */
    static int[] sizes(int most) {
        int[] all = new int[3 + (most + GRID - 1) / GRID];
        int count = 0;
        for (int size : new int[] {1, 2, 4}) {
            if (size <= most) {
                all[count++] = size;
            }
        }
        for (int size = GRID; size < most + GRID && most >= GRID; size += GRID) {
            all[count++] = Math.min(size, most);
        }
        if (count > 0 && all[count - 1] < most) {
            all[count++] = most;
        }
        return Arrays.copyOf(all, count);
    }

    /** The recorded size that {@code sequences} are padded to, 0 if none is large enough. */
    int size(int sequences) {
        for (int size : sizes) {
            if (size >= sequences) {
                return size;
            }
        }
        return 0;
    }

    /**
     * Replays the launches of a size, or makes them by {@code launches} while there is no recording.
     *
     * @param version of the metadata's layout; recordings made under another are void
     */
    void run(CudaStream stream, int size, int version, Runnable launches) {
        if (version != layoutVersion) {
            stream.synchronize();
            close();
            layoutVersion = version;
        }
        int i = Arrays.binarySearch(sizes, size);
        CudaGraph graph = graphs[i];
        if (graph == null && seen[i]++ == 1) {
            graph = record(stream, size, launches);
            graphs[i] = graph;
            recorded += graph == null ? 0 : 1;
        }
        if (graph == null) {
            launches.run();
        } else {
            stream.launch(graph);
        }
    }

    int recorded() {
        return recorded;
    }

    private static @Nullable CudaGraph record(CudaStream stream, int size, Runnable launches) {
        stream.beginCapture();
        try {
            launches.run();
            return stream.endCapture();
        } catch (RuntimeException e) {
            stream.abandonCapture();
            LOG.warn("steps of {} sequences could not be recorded in a graph; they are launched one by one", size, e);
            return null;
        }
    }

    @Override
    public void close() {
        for (int i = 0; i < graphs.length; i++) {
            CudaGraph graph = graphs[i];
            if (graph != null) {
                graphs[i] = null;
                // It could be recorded, so it can be again.
                seen[i] = 1;
                graph.close();
            }
        }
    }
}
