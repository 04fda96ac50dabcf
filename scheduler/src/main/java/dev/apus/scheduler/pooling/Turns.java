package dev.apus.scheduler.pooling;

/** A thread that a {@link PoolingEngine} computes on, one batch a turn. */
public interface Turns {
    /** What is to be done in a turn. */
    interface Turn {
        /** Does it. */
        void run();

        /** Tells that it will never be done: the thread has ended. */
        void lost();
    }

    /** Does it once, soon, after what was asked for before. */
    void next(Turn turn);
}
