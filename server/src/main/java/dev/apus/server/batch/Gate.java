package dev.apus.server.batch;

import java.util.HashMap;
import java.util.Map;

/**
 * How many requests of batches may be in the engine: as many as are allowed less those that clients wait for, and one if somebody waits
 * for a place there. So an idle engine is kept busy, and a busy one is left to others. Thread-safe.
 */
final class Gate {
    private final int most;
    private final BatchWork work;
    private final Map<BatchPass, Integer> inside = new HashMap<>();
    private int all;
    private int batches;

    Gate(int most, BatchWork work) {
        this.most = most;
        this.work = work;
    }

    /** A batch begins to run requests. */
    synchronized void open(BatchPass batch) {
        inside.put(batch, 0);
        batches++;
    }

    /** A batch runs none any more; those inside may still leave. */
    synchronized void close(BatchPass batch) {
        Integer left = inside.remove(batch);
        all -= left == null ? 0 : left;
        batches--;
    }

    /** Lets one more request in, or not now. Each batch has an equal part of the places. */
    synchronized boolean tryEnter(BatchPass batch) {
        BatchWork.Load load = work.load();
        int allowed = load.waiting() > 0 ? 1 : Math.max(1, most - load.interactive());
        Integer own = inside.get(batch);
        if (own == null || !load.accepts() || all >= allowed || own >= Math.max(1, allowed / batches)) {
            return false;
        }
        inside.put(batch, own + 1);
        all++;
        return true;
    }

    synchronized void leave(BatchPass batch) {
        Integer own = inside.get(batch);
        if (own != null) {
            inside.put(batch, own - 1);
            all--;
        }
    }
}
