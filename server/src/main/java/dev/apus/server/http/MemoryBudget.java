package dev.apus.server.http;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Bounds what the requests of all clients together take of the heap. The JVM ends when its heap is full, so a request that would go beyond is
 * refused instead. Figures are estimates from above. Thread-safe.
 *
 * <p>Counted are the heads of HTTP/2 and gRPC, bodies and messages with what they become when parsed, log-probabilities that wait, whole
 * answers while they are made and on their way, ends of streams, and all messages of gRPC until they have left. Not counted is what other
 * limits bound: heads of HTTP/1.1 and the parts of a pipelined request that wait ({@code maxHeaderBytes} and a socket's read, times
 * {@code maxConnections}), and the text that streams hold for slow readers ({@code maxPendingBytes} a request).
 */
final class MemoryBudget {
    /** A byte of a body, as bytes, as text, and once more as the text of a value and of the prompt that it becomes. */
    static final int PER_BODY_BYTE = 8;
    /** A node of a list: a reference in an array that grows by half, and a number. The least that a node takes. */
    static final int PER_ELEMENT = 32;

    private static final int PER_LIST = 96;
    /** A hash map with its table. */
    private static final int PER_OBJECT = 160;
    /** An entry of a map and of the set of names that finds duplicates, and the name. */
    private static final int PER_NAME = 112;
    /** Half of a string, which has two quotes: a node, a string and its array. */
    private static final int PER_QUOTE = 28;

    private final long most;
    private final AtomicLong taken = new AtomicLong();

    /** @param most bytes for all */
    MemoryBudget(long most) {
        this.most = most;
    }

    /** What one request takes; given back by {@link #close}, after which it takes nothing more. */
    final class Share implements AutoCloseable {
        private long held;
        private boolean closed;

        /** Takes more; false if the budget is spent, or the share closed: nobody would give it back. */
        synchronized boolean tryTake(long bytes) {
            if (closed) {
                return false;
            }
            if (bytes == 0) {
                // Answers may have taken more than there is: what needs nothing, as a probe, goes on.
                return true;
            }
            if (taken.addAndGet(bytes) > most) {
                taken.addAndGet(-bytes);
                return false;
            }
            held += bytes;
            return true;
        }

        /** @throws ApiException if the budget is spent, or too small for this request even alone, or the share closed */
        synchronized void take(long bytes) {
            long wanted = held + bytes;
            if (wanted > most) {
                throw new ApiException(
                        413,
                        "the request needs about " + wanted + " bytes of the server's memory, it has " + most
                                + " for all requests; send less at a time",
                        null,
                        "request_too_large",
                        0);
            }
            if (!tryTake(bytes)) {
                throw spent();
            }
        }

        /** Gives a part back, or all if that is less; more may be taken. */
        synchronized void release(long bytes) {
            long part = Math.min(bytes, held);
            held -= part;
            taken.addAndGet(-part);
        }

        @Override
        public synchronized void close() {
            closed = true;
            release(held);
        }
    }

    /** Bytes for all. */
    long most() {
        return most;
    }

    /** Bytes that are taken. */
    long taken() {
        return taken.get();
    }

    Share share() {
        return new Share();
    }

    static ApiException spent() {
        return ApiException.unavailable("the requests at hand take as much of the server's memory as they may");
    }

    /** Takes bytes for an answer, which exists already: what is too much is felt by the requests to come. */
    void takeForAnswer(long bytes) {
        taken.addAndGet(bytes);
    }

    void giveBackAnswer(long bytes) {
        taken.addAndGet(-bytes);
    }

    /** Bytes of the tree that a JSON body becomes, without the text in it; cheap in comparison with parsing. */
    static long treeBytes(byte[] json) {
        long bytes = 0;
        boolean quoted = false;
        for (int i = 0; i < json.length; i++) {
            byte c = json[i];
            if (quoted) {
                if (c == '\\') {
                    i++;
                } else if (c == '"') {
                    quoted = false;
                    bytes += PER_QUOTE;
                }
            } else {
                switch (c) {
                    case '"' -> {
                        quoted = true;
                        bytes += PER_QUOTE;
                    }
                    case ',' -> bytes += PER_ELEMENT;
                    case ':' -> bytes += PER_NAME;
                    case '[' -> bytes += PER_LIST;
                    case '{' -> bytes += PER_OBJECT;
                    default -> {
                        // A part of a number or a word, or space.
                    }
                }
            }
        }
        return bytes;
    }
}
