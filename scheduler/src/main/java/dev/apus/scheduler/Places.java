package dev.apus.scheduler;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The places of requests that wait or run, and which tenant has how many. Once there has been more than one tenant, the last places of the
 * queue are for those that have less than an equal part of all: who fills the queue leaves a place for those that come later. Thread-safe;
 * a request is refused only if there is no place for it at that moment.
 */
final class Places {
    /** Which part of the queue is kept. */
    private static final int RESERVED_PART = 8;

    private final int most;
    private final int reserve;
    private final Map<String, Integer> held = new HashMap<>();
    private int taken;
    private @Nullable String firstTenant;
    private boolean several;

    /**
     * @param most places
     * @param waiting those of them that do not run; of one alone none is kept
     */
    Places(int most, int waiting) {
        this.most = most;
        reserve = waiting < 2 ? 0 : Math.max(1, waiting / RESERVED_PART);
    }

    /** All places, free or not. */
    int most() {
        return most;
    }

    /** Places that are not free. */
    synchronized int taken() {
        return taken;
    }

    /** Takes places for a tenant, all or none; false if they are not free or kept for others. */
    synchronized boolean take(String tenant, int count) {
        if (firstTenant == null) {
            firstTenant = tenant;
        }
        several |= !firstTenant.equals(tenant);
        if (count > most - taken) {
            return false;
        }
        // A request for many choices may need more than what is not kept: it has to wait for an empty engine.
        if (several && taken > 0 && count > most - reserve - taken) {
            int own = held.getOrDefault(tenant, 0);
            int sharers = Math.max(2, held.size() + (own == 0 ? 1 : 0));
            if (own + count > most / sharers) {
                return false;
            }
        }
        taken += count;
        held.merge(tenant, count, Integer::sum);
        return true;
    }

    /** Gives places of a tenant back. */
    synchronized void giveBack(String tenant, int count) {
        taken -= count;
        held.computeIfPresent(tenant, (name, own) -> own == count ? null : (Integer) (own - count));
    }
}
