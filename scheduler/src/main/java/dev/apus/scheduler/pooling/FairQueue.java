package dev.apus.scheduler.pooling;

import dev.apus.scheduler.Tenant;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Sequences that wait, per tenant in the order they came; between tenants the next is of the one that has been served the fewest tokens for
 * its weight (virtual token counters, Sheng et al. 2024). Not thread-safe.
 */
final class FairQueue {
    /** A sequence and who waits for it. */
    record Entry(PoolingRequest request, CompletableFuture<float[][]> result) {}

    private static final class Line {
        final ArrayDeque<Entry> entries = new ArrayDeque<>();
        double served;
        long tokens;
        double weight = 1;
    }

    private final Map<String, Line> lines = new HashMap<>();
    /** What the tenant that was served last had been served: newcomers start there, for idleness earns no credit. */
    private double level;

    private int size;
    private long tokens;

    int size() {
        return size;
    }

    /** Tokens of all sequences here. */
    long tokens() {
        return tokens;
    }

    /** Tokens that are computed before those of a new sequence: the tenant's own, and of each other's as much for its weight. */
    double tokensBefore(Tenant tenant) {
        Line own = lines.get(tenant.name());
        double ahead = own == null ? 0 : (double) own.tokens;
        double sum = ahead;
        for (Line line : lines.values()) {
            if (line != own) {
                sum += Math.min((double) line.tokens, ahead * line.weight / tenant.weight());
            }
        }
        return sum;
    }

    void add(Entry entry) {
        Line line = lines.computeIfAbsent(entry.request.tenant().name(), name -> new Line());
        if (line.entries.isEmpty()) {
            line.served = Math.max(line.served, level);
        }
        line.entries.add(entry);
        line.weight = entry.request.tenant().weight();
        line.tokens += entry.request.ids().length;
        tokens += entry.request.ids().length;
        size++;
    }

    private @Nullable Line next() {
        Line least = null;
        for (Line line : lines.values()) {
            if (!line.entries.isEmpty() && (least == null || line.served < least.served)) {
                least = line;
            }
        }
        return least;
    }

    /** The next sequence if it has at most so many tokens, else null; sequences that nobody waits for any more are dropped. */
    @Nullable
    Entry poll(int mostTokens) {
        for (Line line = next(); line != null; line = next()) {
            Entry entry = line.entries.element();
            boolean dropped = entry.result.isDone();
            if (!dropped && entry.request.ids().length > mostTokens) {
                return null;
            }
            line.entries.remove();
            line.tokens -= entry.request.ids().length;
            tokens -= entry.request.ids().length;
            size--;
            Tenant tenant = entry.request.tenant();
            if (!dropped) {
                level = line.served;
                line.served += entry.request.ids().length / tenant.weight();
            }
            if (!dropped) {
                return entry;
            }
        }
        // Nobody waits: all debts are forgotten, and tenants that never come again.
        lines.clear();
        level = 0;
        return null;
    }
}
