package dev.apus.server.http;

import java.util.ArrayList;
import java.util.List;

/**
 * The events of a response's stream, kept so that clients may read them from any one on, while it grows or later. An event's place is its
 * sequence number. Thread-safe.
 */
final class ResponseLog {
    private static final int PER_EVENT = 24;

    private final List<byte[]> events = new ArrayList<>();
    private final List<Runnable> readers = new ArrayList<>();
    private long bytes;
    private boolean ended;
    private boolean dropped;

    /** Adds events, each of which ends with an empty line. */
    void append(byte[] data) {
        List<Runnable> told;
        synchronized (this) {
            if (!dropped) {
                split(data);
            }
            told = List.copyOf(readers);
        }
        told.forEach(Runnable::run);
    }

    private void split(byte[] data) {
        int from = 0;
        for (int i = 1; i < data.length; i++) {
            // JSON has no line ends of its own.
            if (data[i] == '\n' && data[i - 1] == '\n') {
                byte[] event = new byte[i + 1 - from];
                System.arraycopy(data, from, event, 0, event.length);
                events.add(event);
                bytes += event.length + PER_EVENT;
                from = i + 1;
            }
        }
    }

    /** Forgets the events and takes no more: there is no room for them. Its readers end, and the response itself is what can be had. */
    void drop() {
        synchronized (this) {
            dropped = true;
            events.clear();
            bytes = 0;
        }
        end();
    }

    /** No event follows. */
    void end() {
        List<Runnable> told;
        synchronized (this) {
            ended = true;
            told = List.copyOf(readers);
            readers.clear();
        }
        told.forEach(Runnable::run);
    }

    /** Has somebody told, on any thread, that there are more events or the end; also now. */
    void addReader(Runnable reader) {
        synchronized (this) {
            if (!ended) {
                readers.add(reader);
            }
        }
        reader.run();
    }

    synchronized void removeReader(Runnable reader) {
        readers.remove(reader);
    }

    /** Appends one event to a buffer; false if it is not there (yet). */
    synchronized boolean copy(int number, JsonOut to) {
        if (number >= events.size()) {
            return false;
        }
        to.raw(events.get(number));
        return true;
    }

    /** Whether there will be no more than there are. */
    synchronized boolean isEnded() {
        return ended;
    }

    /** Whether it became too long to be kept. */
    synchronized boolean isDropped() {
        return dropped;
    }

    /** Bytes of heap, about. */
    synchronized long bytes() {
        return bytes;
    }
}
