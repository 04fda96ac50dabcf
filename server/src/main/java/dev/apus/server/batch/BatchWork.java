package dev.apus.server.batch;

import dev.apus.server.batch.Batch.Owner;
import dev.apus.server.batch.Batch.Problem;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** The server, as far as batches need it: answers one request at a time, from any thread. Thread-safe. */
public interface BatchWork {
    /**
     * What the server has to do besides batches.
     *
     * @param accepts whether it takes requests at all
     * @param interactive requests that clients wait for
     * @param waiting requests that wait for a place in the engine, whoever's
     */
    record Load(boolean accepts, int interactive, int waiting) {}

    /** What came of a request. */
    sealed interface Outcome {
        /** An answer or an error that stays one. */
        record Answered(int status, byte[] json) implements Outcome {}

        /** Nothing yet: it is to be started again. */
        record Later(Duration after) implements Outcome {}
    }

    /** A request that runs. */
    interface Call {
        /** Completes in any case and never with an exception. */
        CompletableFuture<Outcome> outcome();

        /** Nobody wants the answer any more. */
        void abort();
    }

    /** The load of now. */
    Load load();

    /** What speaks against a model that a line names; null if nothing does. */
    @Nullable
    Problem checkModel(Owner owner, @Nullable String model, int line);

    /**
     * Starts a request on its owner's account.
     *
     * @param requestId for logs
     * @param body of the request
     */
    Call start(Batch batch, String requestId, byte[] body);
}
