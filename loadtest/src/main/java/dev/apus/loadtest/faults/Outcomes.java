package dev.apus.loadtest.faults;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;

/** What came of what clients did, expected or not. Thread-safe. */
final class Outcomes {
    /** Unexpected ones that are told in full. */
    private static final int TOLD = 20;

    private final Map<String, AtomicLong> expected = new ConcurrentSkipListMap<>();
    private final ConcurrentLinkedQueue<String> unexpected = new ConcurrentLinkedQueue<>();
    private final AtomicLong unexpectedCount = new AtomicLong();
    private final AtomicLong whole = new AtomicLong();
    private final AtomicLong open = new AtomicLong();
    private final AtomicLong late = new AtomicLong();

    void expected(String kind, String outcome) {
        expected.computeIfAbsent(kind + " -> " + outcome, key -> new AtomicLong())
                .incrementAndGet();
    }

    void unexpected(String kind, String detail) {
        if (unexpectedCount.getAndIncrement() < TOLD) {
            unexpected.add(kind + ": " + detail);
        }
    }

    /** So many choices came whole. */
    void whole(int choices) {
        whole.addAndGet(choices);
    }

    /** So many choices may or may not have been made to their end: the client was gone before it could see that. */
    void open(int choices) {
        open.addAndGet(choices);
    }

    /** A request had less time than it took; engines count that among their errors. */
    void tooLate() {
        late.incrementAndGet();
    }

    long late() {
        return late.get();
    }

    long whole() {
        return whole.get();
    }

    long open() {
        return open.get();
    }

    List<String> findings() {
        List<String> all = new ArrayList<>(unexpected);
        if (unexpectedCount.get() > TOLD) {
            all.add("and " + (unexpectedCount.get() - TOLD) + " more unexpected outcomes");
        }
        return all;
    }

    List<String> notes() {
        List<String> all = new ArrayList<>();
        new TreeMap<>(expected)
                .forEach((kind, count) -> all.add(String.format(Locale.ROOT, "%-48s %8d", kind, count.get())));
        all.add("outcomes that were not expected: " + unexpectedCount.get());
        return all;
    }
}
