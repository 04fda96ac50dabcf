package dev.apus.server.grpc;

import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;

/** Runs one call's callbacks in order and never two at once, on whatever threads another executor has. Thread-safe. */
final class SerialExecutor implements Executor {
    private final Executor threads;
    private final LinkedBlockingQueue<Runnable> tasks = new LinkedBlockingQueue<>();
    private final AtomicBoolean running = new AtomicBoolean();

    SerialExecutor(Executor threads) {
        this.threads = threads;
    }

    @Override
    public void execute(Runnable task) {
        tasks.add(task);
        schedule();
    }

    private void schedule() {
        if (!running.compareAndSet(false, true)) {
            return;
        }
        try {
            threads.execute(this::drain);
        } catch (RejectedExecutionException e) {
            // The server is closed and its channels with it: nobody is left to be told.
            tasks.clear();
            running.set(false);
        }
    }

    private void drain() {
        try {
            for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
                task.run();
            }
        } finally {
            // After a task that threw, too: the others are not its fault.
            running.set(false);
            if (!tasks.isEmpty()) {
                schedule();
            }
        }
    }
}
