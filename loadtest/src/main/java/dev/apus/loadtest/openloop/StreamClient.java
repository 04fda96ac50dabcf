package dev.apus.loadtest.openloop;

import java.io.IOException;

/** A protocol for streamed answers. Thread-safe. */
interface StreamClient extends AutoCloseable {
    /**
     * Asks, and returns when the whole answer has come.
     *
     * @param deadlineMillis time for all of it
     * @throws BusyException if the server refuses because it has too much to do
     * @throws IOException if the answer does not come whole or in time
     */
    void stream(String prompt, int maxTokens, long deadlineMillis, StreamListener listener)
            throws IOException, InterruptedException;

    @Override
    void close();

    /** 429, 503 or gRPC's words for them. */
    final class BusyException extends IOException {
        private static final long serialVersionUID = 1;

        BusyException(String message) {
            super(message);
        }
    }
}
