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
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;

/**
 * An engine that computes nothing: each step gives every stream one token, and the next step comes as soon as the clients are less than
 * {@code lead} tokens a stream behind. With a lead of 1 a step is read by all clients before the next: no two tokens share an event.
 */
final class TokenFountain implements Engine {
    /** Steps whose times are known: minutes. */
    private static final int REMEMBERED = 1 << 16;

    private final int streams;
    private final int lead;
    private final int tokenId;
    private final Thread thread = Thread.ofPlatform().name("fountain").unstarted(this::run);
    private final List<Job> sources = new ArrayList<>();
    /** Steps in a second; 0 if the clients' reading decides. */
    private final int pace;
    /** When the last steps began, by their numbers; {@link System#nanoTime}. */
    private final AtomicLongArray begun = new AtomicLongArray(REMEMBERED);

    private volatile long read;
    private volatile boolean waiting;
    private volatile boolean closed;

    /**
     * @param streams starts when so many requests have come
     * @param lead most tokens per stream that the clients have not read
     * @param tokenId the token that it emits
     */
    TokenFountain(int streams, int lead, int tokenId) {
        this(streams, lead, tokenId, 0);
    }

    private TokenFountain(int streams, int lead, int tokenId, int pace) {
        this.streams = streams;
        this.lead = lead;
        this.tokenId = tokenId;
        this.pace = pace;
        thread.start();
    }

    /** One that makes steps at a pace, whether the clients have read or not. */
    static TokenFountain paced(int streams, int tokenId, int stepsPerSecond) {
        return new TokenFountain(streams, Integer.MAX_VALUE, tokenId, stepsPerSecond);
    }

    /** When the step began that gave each stream its token of this number, counted from 0. */
    long begun(long step) {
        return begun.get((int) (step % REMEMBERED));
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
        long start = System.nanoTime();
        for (long step = 0; !closed; step++) {
            if (pace > 0) {
                await(start + step * (1_000_000_000L / pace));
            }
            while (emitted - read >= (long) lead * streams && !closed) {
                waiting = true;
                if (emitted - read >= (long) lead * streams) {
                    LockSupport.park(this);
                }
                waiting = false;
            }
            begun.set((int) (step % REMEMBERED), System.nanoTime());
            for (Job source : live) {
                source.events().accept(new Tokens(source.request().id(), new int[] {tokenId}, null));
            }
            emitted += streams;
        }
        end(live);
    }

    private void await(long time) {
        for (long left = time - System.nanoTime(); left > 0 && !closed; left = time - System.nanoTime()) {
            LockSupport.parkNanos(this, left);
        }
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
