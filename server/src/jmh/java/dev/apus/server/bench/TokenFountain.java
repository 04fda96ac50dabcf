package dev.apus.server.bench;

import dev.apus.scheduler.Engine;
import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.scheduler.EngineEvent.Finished;
import dev.apus.scheduler.EngineEvent.Timing;
import dev.apus.scheduler.EngineEvent.Tokens;
import dev.apus.scheduler.EngineStats;
import dev.apus.scheduler.Request;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;

/**
 * An engine that computes nothing: each step gives every stream one token, and the next step comes as soon as the clients are less than
 * {@code lead} tokens a stream behind. With a lead of 1 a step is read by all clients before the next: no two tokens share an event.
 */
final class TokenFountain implements Engine {
    private final int streams;
    private final int lead;
    private final int tokenId;
    private final Thread thread = Thread.ofPlatform().name("fountain").unstarted(this::run);
    private final List<Job> sources = new ArrayList<>();
    private volatile long read;
    private volatile boolean waiting;
    private volatile boolean closed;

    /**
     * @param streams starts when so many requests have come
     * @param lead most tokens per stream that the clients have not read
     * @param tokenId the token that it emits
     */
    TokenFountain(int streams, int lead, int tokenId) {
        this.streams = streams;
        this.lead = lead;
        this.tokenId = tokenId;
        thread.start();
    }

    /** The thread that emits, and so bears the server's cost of taking an event. */
    Thread thread() {
        return thread;
    }

    /** The clients have read so many tokens in all. */
    void read(long tokens) {
        read = tokens;
        if (waiting) {
            LockSupport.unpark(thread);
        }
    }

    @Override
    public void submit(List<Job> jobs) {
        synchronized (sources) {
            sources.addAll(jobs);
            sources.notifyAll();
        }
    }

    private void run() {
        List<Job> live = awaitStreams();
        long emitted = 0;
        while (!closed) {
            while (emitted - read >= (long) lead * streams && !closed) {
                waiting = true;
                if (emitted - read >= (long) lead * streams) {
                    LockSupport.park(this);
                }
                waiting = false;
            }
            for (Job source : live) {
                source.events().accept(new Tokens(source.request().id(), new int[] {tokenId}, null));
            }
            emitted += streams;
        }
        end(live);
    }

    private List<Job> awaitStreams() {
        synchronized (sources) {
            while (sources.size() < streams && !closed) {
                try {
                    sources.wait();
                } catch (InterruptedException e) {
                    closed = true;
                }
            }
            return List.copyOf(sources);
        }
    }

    private static void end(List<Job> live) {
        for (Job source : live) {
            Request request = source.request();
            long now = System.nanoTime();
            Timing timing = new Timing(request.arrivalNanos(), now, now, now, 0);
            source.events()
                    .accept(new Finished(request.id(), FinishReason.ABORT, -1, request.prompt().length, 0, 0, timing));
        }
    }

    @Override
    public void abort(String requestId) {
        // All streams end together when it is closed.
    }

    @Override
    public CompletableFuture<Void> drain() {
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public EngineStats stats() {
        return new EngineStats(streams, 0, 1, 1, 16, 0, 0, 0, 0, read, 0, true);
    }

    @Override
    public void close() {
        closed = true;
        synchronized (sources) {
            sources.notifyAll();
        }
        LockSupport.unpark(thread);
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
