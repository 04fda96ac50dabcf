package dev.apus.server.http;

import dev.apus.scheduler.EngineEvent.Finished;
import dev.apus.scheduler.SamplingParams;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * What is known of a request for those who look at the server: when its stations were, what it took, how it ended. It is settled when the
 * request is answered and all its sequences have ended, whichever is later. Begun by the request's handler, then written on its event loop.
 */
final class RequestRecord {
    /** Sequences of which more than the counts is kept: a request may have a thousand. */
    private static final int MOST_SEQUENCES = 16;

    /**
     * The end of a sequence.
     *
     * @param index among the request's sequences
     * @param reason as the client is told
     * @param finished null if it failed
     */
    record Sequence(int index, String reason, @Nullable Finished finished) {}

    /** The request itself, and its sequences in the engine. */
    private final AtomicInteger open = new AtomicInteger(1);

    private final List<Sequence> sequences = new ArrayList<>(1);
    private @Nullable SamplingParams params;
    private @Nullable String tenant;
    private int choices = 1;
    private int sequenceCount;
    private long submittedNanos;
    private long firstTokenNanos;
    private long promptTokens;
    private long cachedTokens;
    private long generatedTokens;
    private @Nullable String finishReason;
    private @Nullable String traceId;
    private @Nullable Runnable settled;

    /**
     * The engine is about to get sequences.
     *
     * @param account the tenant on whose account they run
     * @param perPrompt sequences of each prompt
     */
    void begin(String account, SamplingParams sampling, int count, int perPrompt) {
        open.addAndGet(count);
        tenant = account;
        params = sampling;
        choices = perPrompt;
        sequenceCount = count;
        submittedNanos = System.nanoTime();
    }

    /** The engine has not taken the sequences. */
    void refused() {
        int count = sequenceCount;
        sequenceCount = 0;
        submittedNanos = 0;
        end(count);
    }

    /** Tokens that are not generated from but pooled. */
    void pooled(String account, long tokens) {
        submittedNanos = System.nanoTime();
        tenant = account;
        promptTokens = tokens;
    }

    /** Tokens of a sequence have come. */
    void tokens() {
        if (firstTokenNanos == 0) {
            firstTokenNanos = System.nanoTime();
        }
    }

    void finished(int index, Finished end, String reason) {
        if (index % choices == 0) {
            promptTokens += end.promptTokens();
            cachedTokens += end.cachedTokens();
        }
        generatedTokens += end.generatedTokens();
        add(new Sequence(index, reason, end));
    }

    void failed(int index) {
        add(new Sequence(index, "error", null));
    }

    private void add(Sequence sequence) {
        if (sequences.size() < MOST_SEQUENCES) {
            sequences.add(sequence);
        }
        // What went wrong is what is told of all.
        finishReason = finishReason == null || !sequence.reason.equals("stop") ? sequence.reason : finishReason;
        end(1);
    }

    /** The request is answered or its client has gone; {@code then} runs once the sequences have ended, too. */
    void answered(Runnable then) {
        settled = then;
        end(1);
    }

    private void end(int count) {
        if (open.addAndGet(-count) == 0) {
            Runnable action = settled;
            settled = null;
            if (action != null) {
                action.run();
            }
        }
    }

    /** How the first sequence is sampled; null if nothing was asked of the engine. */
    @Nullable
    SamplingParams params() {
        return params;
    }

    /** It belongs to this trace. */
    void traceId(String id) {
        traceId = id;
    }

    /** The trace that it belongs to, in 32 hexadecimal digits; null if to none. */
    @Nullable
    String traceId() {
        return traceId;
    }

    /** On whose account the engine worked; null if it did not. */
    @Nullable
    String tenant() {
        return tenant;
    }

    /** The ends of its first sequences, in their order. */
    List<Sequence> sequences() {
        return sequences;
    }

    /** Sequences in all. */
    int sequenceCount() {
        return sequenceCount;
    }

    /** Sequences of each prompt. */
    int choices() {
        return choices;
    }

    /** {@link System#nanoTime} of handing it to the engine; 0 if it was not. */
    long submittedNanos() {
        return submittedNanos;
    }

    /** {@link System#nanoTime} of the first token's coming; 0 if none came. */
    long firstTokenNanos() {
        return firstTokenNanos;
    }

    /** Tokens of its prompts, each once. */
    long promptTokens() {
        return promptTokens;
    }

    /** Those of them that the prefix cache had. */
    long cachedTokens() {
        return cachedTokens;
    }

    long generatedTokens() {
        return generatedTokens;
    }

    /** Why its sequences ended: of several the last reason that is not "stop"; null if there were none. */
    @Nullable
    String finishReason() {
        return finishReason;
    }
}
