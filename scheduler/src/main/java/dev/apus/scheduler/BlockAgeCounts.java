package dev.apus.scheduler;

import dev.apus.kvcache.BlockAges;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLongArray;

/** Counts how long blocks live: written by the engine's thread without a fence, read by anybody. */
final class BlockAgeCounts implements BlockAges.Listener {
    /** vLLM's, in seconds. */
    private static final List<Double> BOUNDS = List.of(
            .001, .002, .005, .01, .02, .05, .1, .2, .5, 1., 2., 5., 10., 20., 30., 60., 120., 300., 600., 1200.,
            1800.);

    private static final double NANOS = 1e-9;

    private final double[] bounds =
            BOUNDS.stream().mapToDouble(Double::doubleValue).toArray();
    private final Counts lifetime = new Counts();
    private final Counts idle = new Counts();
    private final Counts gap = new Counts();

    @Override
    public void evicted(long lived, long idled) {
        lifetime.add(lived);
        idle.add(idled);
    }

    @Override
    public void reused(long waited) {
        gap.add(waited);
    }

    KvBlockAges read() {
        return new KvBlockAges(lifetime.read(), idle.read(), gap.read());
    }

    private final class Counts {
        /** The buckets, then the sum in nanoseconds. */
        private final AtomicLongArray values = new AtomicLongArray(BOUNDS.size() + 2);

        void add(long nanos) {
            int bucket = 0;
            while (bucket < bounds.length && nanos * NANOS > bounds[bucket]) {
                bucket++;
            }
            values.setOpaque(bucket, values.getPlain(bucket) + 1);
            int sum = bounds.length + 1;
            values.setOpaque(sum, values.getPlain(sum) + nanos);
        }

        Distribution read() {
            List<Long> counts = new ArrayList<>();
            for (int i = 0; i <= bounds.length; i++) {
                counts.add(values.getOpaque(i));
            }
            return new Distribution(BOUNDS, counts, values.getOpaque(bounds.length + 1) * NANOS);
        }
    }
}
