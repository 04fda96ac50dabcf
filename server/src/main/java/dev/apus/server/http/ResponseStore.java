package dev.apus.server.http;

import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The responses that clients may ask for again, in memory and bounded by number, bytes and age. When there are too many, those go that were
 * asked for least recently, of the tenant that has the most bytes; what still runs stays. Thread-safe.
 */
final class ResponseStore {
    /**
     * Bounds for all tenants together.
     *
     * @param count most responses
     * @param bytes most bytes of heap, about
     * @param age how long one is kept at most
     */
    record Limits(int count, long bytes, Duration age) {
        /** Of a server. */
        static Limits of(ApiOptions options) {
            return new Limits(options.maxStoredResponses(), options.maxStoredResponseBytes(), Duration.ofHours(24));
        }
    }

    /** One response may take so many parts of the store. */
    private static final int LARGEST = 4;

    /** What one tenant has. */
    private static final class Shelf {
        /** From the one asked for least recently to the last. */
        private final LinkedHashMap<String, Entry> entries = new LinkedHashMap<>(16, 0.75f, true);

        private long bytes;
    }

    /** A response and what was counted for it. */
    private static final class Entry {
        private final StoredResponse response;
        private long bytes;
        private @Nullable ResponseTurn turn;

        private Entry(StoredResponse response) {
            this.response = response;
        }
    }

    private final Limits limits;
    private final LongSupplier clock;
    private final Map<String, Shelf> shelves = new HashMap<>();
    private int count;
    private long bytes;

    /** @param clock nanoseconds that grow, as {@link System#nanoTime} */
    ResponseStore(Limits limits, LongSupplier clock) {
        this.limits = limits;
        this.clock = clock;
    }

    /** Now, for {@link StoredResponse#createdNanos}. */
    long now() {
        return clock.getAsLong();
    }

    /** Keeps a response, for which others may go; false if there is no room for it: it is too large, or too many run. */
    synchronized boolean put(StoredResponse response) {
        if (response.bytes() > limits.bytes / LARGEST) {
            return false;
        }
        Shelf shelf = shelves.computeIfAbsent(response.tenant(), tenant -> new Shelf());
        Entry entry = new Entry(response);
        shelf.entries.put(response.id(), entry);
        count++;
        account(shelf, entry);
        if (shrink()) {
            return true;
        }
        drop(response.tenant(), shelf, entry);
        return false;
    }

    /** Accounts for a kept response's new state; one that has been deleted stays deleted. False if there is no room for all that runs. */
    synchronized boolean update(StoredResponse response) {
        Shelf shelf = shelves.get(response.tenant());
        Entry entry = shelf == null ? null : shelf.entries.get(response.id());
        if (shelf != null && entry != null) {
            account(shelf, entry);
        }
        return shrink();
    }

    /** The tenant's response of that id, or null if there is none. */
    synchronized @Nullable StoredResponse get(String tenant, String id) {
        Shelf shelf = shelves.get(tenant);
        Entry entry = shelf == null ? null : shelf.entries.get(id);
        if (shelf == null || entry == null) {
            return null;
        }
        if (isOld(entry)) {
            drop(tenant, shelf, entry);
            return null;
        }
        return entry.response;
    }

    /** Forgets a response; null if the tenant has none of that id. */
    synchronized @Nullable StoredResponse remove(String tenant, String id) {
        StoredResponse response = get(tenant, id);
        Shelf shelf = shelves.get(tenant);
        Entry entry = shelf == null ? null : shelf.entries.get(id);
        if (shelf != null && entry != null) {
            drop(tenant, shelf, entry);
        }
        return response;
    }

    synchronized int count() {
        return count;
    }

    /** Bytes of heap that are accounted for. */
    synchronized long bytes() {
        return bytes;
    }

    private boolean isOld(Entry entry) {
        return !entry.response.state().isRunning()
                && clock.getAsLong() - entry.response.createdNanos() > limits.age.toNanos();
    }

    private void account(Shelf shelf, Entry entry) {
        long size = entry.response.bytes();
        shelf.bytes += size - entry.bytes;
        bytes += size - entry.bytes;
        entry.bytes = size;
        ResponseTurn turn = entry.response.state().turn();
        if (turn != null && entry.turn == null) {
            entry.turn = turn;
            hold(turn);
        }
    }

    /** A turn is counted while anything needs it, once. */
    private void hold(ResponseTurn turn) {
        for (ResponseTurn at = turn; at != null && at.holders++ == 0; at = at.before()) {
            bytes += at.bytes();
        }
    }

    private void release(ResponseTurn turn) {
        for (ResponseTurn at = turn; at != null && --at.holders == 0; at = at.before()) {
            bytes -= at.bytes();
        }
    }

    private void drop(String tenant, Shelf shelf, Entry entry) {
        shelf.entries.remove(entry.response.id());
        shelf.bytes -= entry.bytes;
        bytes -= entry.bytes;
        count--;
        if (entry.turn != null) {
            release(entry.turn);
        }
        if (shelf.entries.isEmpty()) {
            shelves.remove(tenant);
        }
    }

    /** False if what runs alone is too much. */
    private boolean shrink() {
        while (count > limits.count || bytes > limits.bytes) {
            if (!dropOne()) {
                return false;
            }
        }
        return true;
    }

    /** Of the fullest shelf that has one that has ended; false if all run. */
    private boolean dropOne() {
        for (Map.Entry<String, Shelf> shelf : shelves.entrySet().stream()
                .sorted(Comparator.comparingLong((Map.Entry<String, Shelf> each) -> -each.getValue().bytes))
                .toList()) {
            Iterator<Entry> entries = shelf.getValue().entries.values().iterator();
            while (entries.hasNext()) {
                Entry entry = entries.next();
                if (!entry.response.state().isRunning()) {
                    drop(shelf.getKey(), shelf.getValue(), entry);
                    return true;
                }
            }
        }
        return false;
    }
}
