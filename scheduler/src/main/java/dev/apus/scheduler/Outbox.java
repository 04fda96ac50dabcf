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
    /** Entries of a piece of the queue, two for an event: some steps of a full batch, in 4 KiB. */
    private static final int CHUNK = 1024;

    /** A listener and its event, one after the other, or a future to complete alone: so that posting allocates nothing. */
    private final SpscUnboundedAtomicArrayQueue<Object> queue = new SpscUnboundedAtomicArrayQueue<>(CHUNK);

    private final AtomicBoolean parked = new AtomicBoolean();
    private final Consumer<String> onListenerFault;
    private final Runnable onFault;
    private final Thread thread;
    private volatile boolean ended;

    /**
     * Makes one; {@link #start} starts it. Both parameters are called on the delivering thread.
     *
     * @param onListenerFault given the id of a request whose listener threw
     * @param onFault called if that threw too: closes the engine, whose last events are still delivered
     */
    Outbox(Consumer<String> onListenerFault, Runnable onFault) {
        this.onListenerFault = onListenerFault;
        this.onFault = onFault;
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
        } catch (Throwable t) { // an Error too: the other streams and the engine's end depend on this thread
            failed(given.requestId(), t);
        }
    }

    private void failed(String requestId, Throwable fault) {
        try {
            LOG.error("the listener of request {} failed; the request is aborted", requestId, fault);
            onListenerFault.accept(requestId);
        } catch (Throwable t) {
            onFault.run();
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
