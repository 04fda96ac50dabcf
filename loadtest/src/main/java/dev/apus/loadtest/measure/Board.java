package dev.apus.loadtest.measure;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;

/** All series of a run, in the order in which they began. Thread-safe. */
public final class Board {
    private final Map<String, Series> series = new ConcurrentHashMap<>();
    private final ConcurrentLinkedQueue<String> order = new ConcurrentLinkedQueue<>();

    /** That of a name; begun if it is not there. */
    public Series series(String name) {
        return series.computeIfAbsent(name, key -> {
            order.add(key);
            return new Series();
        });
    }

    /** All, by name. */
    public Map<String, Series.Snapshot> snapshot() {
        Map<String, Series.Snapshot> all = new LinkedHashMap<>();
        for (String name : order) {
            all.put(name, series(name).snapshot());
        }
        return all;
    }
}
