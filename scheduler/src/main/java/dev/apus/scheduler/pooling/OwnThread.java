package dev.apus.scheduler.pooling;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;

/** A thread of a pooler's own. */
public final class OwnThread implements Turns, AutoCloseable {
    private final ExecutorService thread = Executors.newSingleThreadExecutor(
            Thread.ofPlatform().name("apus-pooler").daemon(true).factory());

    @Override
    public void next(Turn turn) {
        try {
            thread.execute(turn::run);
        } catch (RejectedExecutionException e) {
            turn.lost();
        }
    }

    /** Waits for the turn that is being taken; no other follows. */
    @Override
    public void close() {
        thread.shutdownNow();
        boolean interrupted = false;
        while (true) {
            try {
                if (thread.awaitTermination(1, TimeUnit.MINUTES)) {
                    break;
                }
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
