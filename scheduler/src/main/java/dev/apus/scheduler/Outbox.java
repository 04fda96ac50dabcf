package dev.apus.scheduler;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jctools.queues.atomic.SpscUnboundedAtomicArrayQueue;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Events on their way from the engine's thread to their listeners, delivered by a thread of its own, so that no listener can hold up a
 * step. The engine's thread posts a step's events and wakes the other once.
 */
final class Outbox {
    private static final Logger LOG = LoggerFactory.getLogger(Outbox.class);
    private static final int CHUNK = 1024;

    /** A listener and its event, one after the other, or a future to complete alone: so that posting allocates nothing. */
    private final SpscUnboundedAtomicArrayQueue<Object> queue = new SpscUnboundedAtomicArrayQueue<>(CHUNK);

    private final AtomicBoolean parked = new AtomicBoolean();
    private final Consumer<String> onListenerFault;
    private final Thread thread;
    private volatile boolean ended;

    /** @param onListenerFault given the id of a request whose listener threw, on the delivering thread */
    Outbox(Consumer<String> onListenerFault) {
        this.onListenerFault = onListenerFault;
        thread = Thread.ofPlatform().name("apus-output").daemon(true).unstarted(this::deliver);
    }

    void start() {
        thread.start();
    }

    /** Engine's thread: queues an event; {@link #flush} must follow. */
    void post(Consumer<EngineEvent> listener, EngineEvent event) {
        queue.offer(listener);
        queue.offer(event);
    }

    /** Engine's thread: completes {@code future} once all events before it are delivered. */
    void post(CompletableFuture<Void> future) {
        queue.offer(future);
    }

    /** Engine's thread: wakes the delivering thread if there is something to deliver. */
    void flush() {
        if (parked.get() && !queue.isEmpty() && parked.compareAndSet(true, false)) {
            LockSupport.unpark(thread);
        }
    }

    /** Engine's thread, last: the delivering thread ends when all is delivered. */
    void end() {
        ended = true;
        LockSupport.unpark(thread);
    }

    /** Waits for the delivering thread to end, unless it is the caller. */
    void join() {
        Joins.join(thread);
    }

    private void deliver() {
        while (true) {
            Object next = queue.poll();
            if (next != null) {
                deliver(next);
            } else if (ended && queue.isEmpty()) {
                return;
            } else {
                parked.set(true);
                while (parked.get() && queue.isEmpty() && !ended) {
                    LockSupport.park(this);
                }
                parked.set(false);
            }
        }
    }

    // The queue holds a listener of engine events before each event, by post.
    @SuppressWarnings("unchecked")
    private void deliver(Object next) {
        if (next instanceof CompletableFuture<?> future) {
            future.complete(null);
            return;
        }
        Object event = takeEvent();
        EngineEvent given = (EngineEvent) event;
        try {
            ((Consumer<EngineEvent>) next).accept(given);
        } catch (RuntimeException e) {
            LOG.error("the listener of request {} failed; the request is aborted", given.requestId(), e);
            onListenerFault.accept(given.requestId());
        }
    }

    /** The event that was posted right after its listener: at most a moment away. */
    private Object takeEvent() {
        @Nullable Object event = queue.poll();
        while (event == null) {
            Thread.onSpinWait();
            event = queue.poll();
        }
        return event;
    }
}
