package dev.apus.scheduler;

/** Waiting for threads that a component owns. */
final class Joins {
    private Joins() {}

    /** Waits until the thread has ended, keeping the interrupt flag; returns at once if it is the caller itself. */
    static void join(Thread thread) {
        if (thread.equals(Thread.currentThread())) {
            return;
        }
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
