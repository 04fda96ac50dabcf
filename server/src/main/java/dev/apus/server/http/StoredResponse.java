package dev.apus.server.http;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** One response as it is kept: its latest state, its input, and, if it runs without a client, how to end it. Thread-safe. */
final class StoredResponse {
    /** An input item as it is listed. */
    record Item(String id, byte[] json) {}

    /**
     * What is known of a response.
     *
     * @param status {@code queued}, {@code in_progress}, or how it ended
     * @param json the response object
     * @param turn what it adds to a conversation; null unless it can be gone on with
     */
    record State(String status, byte[] json, @Nullable ResponseTurn turn) {
        boolean isRunning() {
            return status.equals("queued") || status.equals("in_progress");
        }
    }

    /** The objects around the bytes. */
    private static final long OVERHEAD = 512;

    private final String id;
    private final String tenant;
    private final List<Item> items;
    private final @Nullable ResponseLog log;
    private final long createdNanos;
    private final CompletableFuture<State> ended = new CompletableFuture<>();
    private volatile State state;
    private volatile boolean background;
    /** While it runs only: it holds on to all that the work needs. */
    private volatile @Nullable Runnable abort;

    private volatile boolean cancelled;

    /**
     * @param tenant whose it is: others do not see it
     * @param log the events of its stream, if they are kept; null otherwise
     * @param createdNanos the store's clock when it was made
     */
    StoredResponse(
            String id, String tenant, List<Item> items, @Nullable ResponseLog log, State state, long createdNanos) {
        this.id = id;
        this.tenant = tenant;
        this.items = List.copyOf(items);
        this.log = log;
        this.state = state;
        this.createdNanos = createdNanos;
        if (!state.isRunning()) {
            ended.complete(state);
        }
    }

    String id() {
        return id;
    }

    String tenant() {
        return tenant;
    }

    List<Item> items() {
        return items;
    }

    @Nullable
    ResponseLog log() {
        return log;
    }

    long createdNanos() {
        return createdNanos;
    }

    State state() {
        return state;
    }

    /** Completes with the state in which it ends. */
    CompletableFuture<State> ended() {
        return ended;
    }

    /** Sets the next state; the first that is an end stays. True if it was set. */
    boolean state(State next) {
        synchronized (this) {
            if (!state.isRunning()) {
                return false;
            }
            state = next;
        }
        if (!next.isRunning()) {
            abort = null;
            ended.complete(next);
        }
        return true;
    }

    /** Whether it may be cancelled: it was made to run without a client. */
    boolean isBackground() {
        return background;
    }

    /** @param action ends its work in the engine; any thread */
    void onCancel(Runnable action) {
        background = true;
        abort = action;
        if (!state.isRunning()) {
            abort = null;
        } else if (cancelled) {
            action.run();
        }
    }

    /** Ends it early; {@link #ended} tells when it has. Has no effect once it has ended. */
    void cancel() {
        cancelled = true;
        Runnable action = abort;
        if (action != null && state.isRunning()) {
            action.run();
        }
    }

    /** Bytes of heap, about, without its turn. */
    long bytes() {
        long bytes = OVERHEAD + state.json().length;
        for (Item item : items) {
            bytes += item.json().length + OVERHEAD / 4;
        }
        return bytes + (log == null ? 0 : log.bytes());
    }
}
