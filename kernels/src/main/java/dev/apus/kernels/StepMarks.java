package dev.apus.kernels;

/**
 * Marks on a device's own time line, around the work of steps that follow each other. The marks of at least the last
 * {@value #STEPS_KEPT} steps can be read; older ones are written over.
 */
public interface StepMarks {
    /** Two steps in flight, the one awaited and the one before it. */
    int STEPS_KEPT = 4;

    /** Puts a mark before the first work of a step. */
    void start(long step);

    /** Puts a mark behind the last work of a step. */
    void end(long step);

    /** Milliseconds from the start to the end of a step that has been awaited. */
    double millis(long step);

    /** Milliseconds from the end of the step before to the start of a step, both of which have been awaited. */
    double millisBefore(long step);
}
