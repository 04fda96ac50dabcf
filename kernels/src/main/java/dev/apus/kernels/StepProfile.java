package dev.apus.kernels;

import java.util.Arrays;
import java.util.function.LongSupplier;

/**
 * Where the time of decode steps goes: how long the engine's thread works for one, how long the device computes it and how long the device
 * had nothing to do before it.
 *
 * <p>A step is kept if it only decodes and the step launched just before decoded as many sequences: then the engine runs in its steady
 * state, where each turn launches one step and waits for the one before. The thread's time is that between two waits, so that all the
 * engine does for a step is in it: reading results, handing out tokens, scheduling, writing the batch, launching.
 *
 * <p>Written by the engine's thread, read once that has ended, and only {@link #resume} is for any thread. Allocates nothing per step.
 */
public final class StepProfile {
    private static final long NEVER = Long.MIN_VALUE;

    private final StepMarks marks;
    private final LongSupplier nanoTime;
    private final double[] host;
    private final double[] device;
    private final double[] idle;
    private final Launched[] flights = new Launched[StepMarks.STEPS_KEPT];
    private volatile boolean running;
    private int count;
    private long launched;
    private long awaited;
    private int sequencesBefore;
    /** When the engine's thread last came back from waiting, and how many steps it has launched since. */
    private long resumed = NEVER;

    private int launchedSince;

    /** A step between its launch and its wait. */
    private static final class Launched {
        boolean steady;
        double hostMillis;
    }

    /** @param capacity most steps that are kept; later ones are dropped */
    public StepProfile(StepMarks marks, int capacity) {
        this(marks, capacity, System::nanoTime);
    }

    StepProfile(StepMarks marks, int capacity, LongSupplier nanoTime) {
        this.marks = marks;
        this.nanoTime = nanoTime;
        host = new double[capacity];
        device = new double[capacity];
        idle = new double[capacity];
        Arrays.setAll(flights, i -> new Launched());
    }

    /** Keeps steps from here on; before, they are watched only. */
    public void resume() {
        running = true;
    }

    /** The device is about to be given the first work of a step. */
    public void starts() {
        marks.start(launched);
    }

    /**
     * The device has been given the last work of a step.
     *
     * @param sequences that it decodes; 0 for a step with a prompt or part of one in it
     */
    public void launched(int sequences) {
        marks.end(launched);
        Launched flight = flight(launched++);
        flight.steady = running && sequences > 0 && sequences == sequencesBefore;
        flight.hostMillis = Double.NaN;
        sequencesBefore = sequences;
        launchedSince++;
    }

    /** The engine's thread is about to wait for the oldest step. */
    public void waits() {
        if (launched > 0 && resumed != NEVER && launchedSince == 1) {
            flight(launched - 1).hostMillis = (nanoTime.getAsLong() - resumed) / 1e6;
        }
    }

    /** The oldest step is done. */
    public void waited() {
        long step = awaited++;
        Launched flight = flight(step);
        if (flight.steady && !Double.isNaN(flight.hostMillis) && step > 0 && count < host.length) {
            host[count] = flight.hostMillis;
            device[count] = marks.millis(step);
            idle[count] = marks.millisBefore(step);
            count++;
        }
        launchedSince = 0;
        resumed = nanoTime.getAsLong();
    }

    private Launched flight(long step) {
        return flights[(int) (step % flights.length)];
    }

    /** Steps kept. */
    public int count() {
        return count;
    }

    /** Milliseconds of work of the engine's thread for each step kept. */
    public double[] hostMillis() {
        return Arrays.copyOf(host, count);
    }

    /** Milliseconds that the device took for each step kept. */
    public double[] deviceMillis() {
        return Arrays.copyOf(device, count);
    }

    /** Milliseconds that the device waited before each step kept. */
    public double[] idleMillis() {
        return Arrays.copyOf(idle, count);
    }
}
