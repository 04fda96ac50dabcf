package dev.apus.scheduler;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the engine says of a request: {@link PromptLogprobs} if asked for, any number of {@link Tokens}, then exactly one of {@link Finished} and {@link Failed}. */
public sealed interface EngineEvent {
    /** The request that the event belongs to. */
    String requestId();

    /**
     * Log-probabilities of one token.
     *
     * @param id the token
     * @param logprob its natural log-probability
     * @param rank 1 = likeliest
     * @param topIds the k likeliest ids, descending
     * @param topLogprobs theirs
     */
    record TokenLogprobs(int id, float logprob, int rank, int[] topIds, float[] topLogprobs) {}

    /** Log-probabilities of prompt tokens 1, 2, ...; sent once, before the first {@link Tokens}. */
    record PromptLogprobs(String requestId, List<TokenLogprobs> tokens) implements EngineEvent {}

    /**
     * New tokens.
     *
     * @param ids one or more ids, in order; a stop id that ends the request is among them, as in vLLM
     * @param logprobs one entry per id where asked for, else null
     */
    record Tokens(String requestId, int[] ids, @Nullable List<TokenLogprobs> logprobs) implements EngineEvent {}

    /** Why a request ended. */
    enum FinishReason {
        /** A stop id or end of sequence; or the front end found a stop string. */
        STOP,
        /** max_tokens or the context length. */
        LENGTH,
        /** The client went away or asked to. */
        ABORT
    }

    /**
     * The request is done and holds nothing any more.
     *
     * @param stopTokenId the id that ended it, or -1
     * @param timing when it was scheduled and served
     */
    record Finished(
            String requestId,
            FinishReason reason,
            int stopTokenId,
            int promptTokens,
            int cachedTokens,
            int generatedTokens,
            Timing timing)
            implements EngineEvent {}

    /** What kind of failure ended a request. */
    enum FailureKind {
        /** The engine, the device or the model's answer to this request; see the message. */
        ENGINE,
        /** It waited until its deadline had passed; nothing of it was computed. */
        QUEUE_EXPIRED,
        /** It was being computed when its deadline passed. */
        DEADLINE
    }

    /**
     * The engine could not serve the request.
     *
     * @param message what went wrong, to be read by people
     * @param retryable whether the same request may succeed later
     * @param kind what kind of failure it was, to be read by programs
     */
    record Failed(String requestId, String message, boolean retryable, FailureKind kind) implements EngineEvent {
        /** A failure of the engine. */
        public Failed(String requestId, String message, boolean retryable) {
            this(requestId, message, retryable, FailureKind.ENGINE);
        }
    }

    /**
     * {@link System#nanoTime} of a request's stations.
     *
     * @param arrival from the request
     * @param scheduled first scheduled
     * @param firstToken first token sampled, or 0
     * @param finished end
     * @param preemptions times that it was preempted
     */
    record Timing(long arrival, long scheduled, long firstToken, long finished, int preemptions) {}
}
