package dev.apus.scheduler;

import org.jspecify.annotations.Nullable;

/**
 * Tells Java Flight Recorder of steps and requests, if it asks for them; if not, it costs some tests of a flag a step and allocates nothing.
 * Owned by the engine's thread.
 */
final class FlightRecorder {
    /** Only asked whether they are wanted. */
    private final StepEvent steps = new StepEvent();

    private final RequestEvent requests = new RequestEvent();
    private @Nullable StepEvent current;
    private long lap;

    /** A step begins. */
    void begin() {
        if (steps.isEnabled()) {
            StepEvent event = new StepEvent();
            event.begin();
            current = event;
            lap = System.nanoTime();
        }
    }

    /** The step's work is chosen. */
    void scheduled(int sequences, int promptTokens, int tokens, int waiting) {
        StepEvent event = current;
        if (event != null) {
            event.sequences = sequences;
            event.promptTokens = promptTokens;
            event.decodeTokens = tokens - promptTokens;
            event.waiting = waiting;
            event.schedule += sinceLap();
        }
    }

    /** The device has been waited for. */
    void ran() {
        StepEvent event = current;
        if (event != null) {
            event.run += sinceLap();
        }
    }

    /** What was drawn has been taken over. */
    void emitted() {
        StepEvent event = current;
        if (event != null) {
            event.emit += sinceLap();
        }
    }

    /** A step ends. */
    void end(int usedBlocks) {
        StepEvent event = current;
        if (event != null) {
            current = null;
            event.usedBlocks = usedBlocks;
            if (event.sequences > 0 || event.emit > 0) {
                event.commit();
            }
        }
    }

    private long sinceLap() {
        long now = System.nanoTime();
        long taken = now - lap;
        lap = now;
        return taken;
    }

    /**
     * A sequence has ended.
     *
     * @param ended nanoseconds of its end, by the clock of its stations
     */
    void request(Sequences sequences, int row, String reason, long ended) {
        if (!requests.isEnabled()) {
            return;
        }
        Request request = sequences.request(row);
        long scheduled = sequences.firstScheduled[row];
        long first = sequences.firstToken[row];
        RequestEvent event = new RequestEvent();
        event.requestId = request.id();
        event.tenant = request.tenant().name();
        event.reason = reason;
        event.promptTokens = sequences.promptLength[row];
        event.cachedTokens = sequences.cached[row];
        event.generatedTokens = sequences.generated(row);
        event.preemptions = sequences.preemptions[row];
        event.queue = (scheduled == 0 ? ended : scheduled) - request.arrivalNanos();
        if (scheduled != 0) {
            event.prefill = (first == 0 ? ended : first) - scheduled;
        }
        if (first != 0) {
            event.decode = ended - first;
        }
        event.commit();
    }
}
