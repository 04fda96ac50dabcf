package dev.apus.server.http;

import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;

/** Sends a response's log to a client from some event on: what there is, then what comes. Works on the exchange's event loop. */
final class LogFollower {
    /** Events written at once, before the event loop looks after others. */
    private static final int MOST_AT_ONCE = 256;

    private final Exchange exchange;
    private final ResponseLog log;
    private final AtomicBoolean scheduled = new AtomicBoolean();
    private final Runnable reader = this::schedule;
    private int next;

    /** @param next number of the first event to send */
    LogFollower(Exchange exchange, ResponseLog log, int next) {
        this.exchange = exchange;
        this.log = log;
        this.next = next;
    }

    /** Begins; any thread. */
    void start() {
        exchange.onWritable(reader);
        exchange.onEnd(() -> log.removeReader(reader));
        log.addReader(reader);
    }

    private void schedule() {
        if (scheduled.compareAndSet(false, true)) {
            try {
                exchange.loop().execute(this::send);
            } catch (RejectedExecutionException e) {
                // The server is closed and its connections with it.
                log.removeReader(reader);
            }
        }
    }

    private void send() {
        scheduled.set(false);
        if (exchange.isOver()) {
            log.removeReader(reader);
            return;
        }
        if (!exchange.isWritable()) {
            return;
        }
        // Asked before the events are: what is added in between is told again.
        boolean ended = log.isEnded();
        int sent = 0;
        while (sent < MOST_AT_ONCE && log.copy(next, exchange.event())) {
            next++;
            sent++;
        }
        if (sent == MOST_AT_ONCE) {
            exchange.flush();
            schedule();
        } else if (ended) {
            exchange.endStream();
        } else {
            exchange.flush();
        }
    }
}
