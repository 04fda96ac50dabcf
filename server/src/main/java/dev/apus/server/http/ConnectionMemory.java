package dev.apus.server.http;

import io.netty.channel.Channel;
import io.netty.util.AttributeKey;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * What one HTTP/2 connection takes of the memory for all: its open streams, and the answers that its client has not read. A client that
 * reads none of many holds back itself before it holds back others. Thread-safe.
 */
final class ConnectionMemory {
    /** An open stream with its handlers, at the least. */
    static final int PER_STREAM = 4096;
    /** Streams that a connection may have however full the memory is, so that probes are answered. */
    static final int ALWAYS = 8;
    /** Which part of the memory the unread answers of one connection may take. */
    static final int PART = 8;

    private static final AttributeKey<ConnectionMemory> KEY = AttributeKey.valueOf(ConnectionMemory.class, "memory");

    private final MemoryBudget budget;
    private final AtomicLong unread = new AtomicLong();

    ConnectionMemory(MemoryBudget budget) {
        this.budget = budget;
    }

    /** That of a connection; null if it is none of HTTP/2. */
    static @Nullable ConnectionMemory of(Channel connection) {
        return connection.attr(KEY).get();
    }

    /**
     * Takes the memory of a stream until it is closed.
     *
     * @param open streams of the connection, this one included
     * @return false if there is no room for it
     */
    boolean admit(Channel stream, int open) {
        stream.parent().attr(KEY).set(this);
        MemoryBudget.Share share = budget.share();
        boolean room = share.tryTake(PER_STREAM) && !isFull();
        stream.closeFuture().addListener(closed -> share.close());
        return room || open <= ALWAYS;
    }

    /** So many bytes more of an answer wait for the client, or less if negative. */
    void unread(long bytes) {
        unread.addAndGet(bytes);
    }

    /** Whether the client must read before it is told more than whether the server is there. */
    boolean isFull() {
        return unread.get() > budget.most() / PART;
    }

    /** @throws ApiException if the client must read what it has asked for */
    static void checkUnread(Channel connection) {
        ConnectionMemory memory = of(connection);
        if (memory != null && memory.isFull()) {
            throw ApiException.unavailable("the answers that wait for this connection's client take as much of the"
                    + " server's memory as they may; read them");
        }
    }
}
