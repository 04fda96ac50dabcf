package dev.apus.server.http;

import dev.apus.scheduler.EngineEvent;
import io.netty.util.concurrent.EventExecutor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jctools.queues.atomic.MpscUnboundedAtomicArrayQueue;

/**
 * Carries the engine's events to one event loop. The engine's thread only queues them and wakes the loop once; the loop takes all that
 * have come, lets each answer make its text, and then writes once per answer. So a step's tokens cost one wake-up per loop, and a loop
 * that falls behind sends several tokens in one chunk instead of falling further.
 *
 * <p>Detokenising happens here and not on a virtual thread: it is O(1) per token and cheaper than the hop.
 */
final class EventPump {
    private static final int CHUNK = 1024;
    /** Events taken before the loop looks after its sockets again. */
    private static final int MOST_AT_ONCE = 4096;

    private record Arrival(Choice choice, EngineEvent event) {}

    private final MpscUnboundedAtomicArrayQueue<Arrival> queue = new MpscUnboundedAtomicArrayQueue<>(CHUNK);
    private final AtomicBoolean scheduled = new AtomicBoolean();
    private final List<GenerationCall> touched = new ArrayList<>();
    private final EventExecutor loop;
    private volatile boolean closed;

    EventPump(EventExecutor loop) {
        this.loop = loop;
    }

    /** Any thread: never blocks. */
    void post(Choice choice, EngineEvent event) {
        if (closed) {
            return;
        }
        queue.offer(new Arrival(choice, event));
        schedule();
    }

    private void schedule() {
        if (!scheduled.get() && scheduled.compareAndSet(false, true)) {
            try {
                loop.execute(this::drain);
            } catch (RejectedExecutionException e) {
                // The server is closed and its connections with it: nobody is left to tell.
                closed = true;
            }
        }
    }

    private void drain() {
        scheduled.set(false);
        for (int i = 0; i < MOST_AT_ONCE; i++) {
            Arrival arrival = queue.poll();
            if (arrival == null) {
                break;
            }
            GenerationCall call = arrival.choice.call();
            if (call.accept(arrival.choice, arrival.event)) {
                touched.add(call);
            }
        }
        for (GenerationCall call : touched) {
            call.emit();
        }
        touched.clear();
        if (!queue.isEmpty()) {
            schedule();
        }
    }
}
