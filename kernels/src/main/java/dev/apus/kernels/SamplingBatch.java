package dev.apus.kernels;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Sampling parameters and results of one step, a struct of arrays over its sampled rows.
 *
 * <p>The random number of a row depends only on its {@code seed} and {@code position} (counter-based), so a request's text does not
 * depend on what is in the batch with it. Preallocated; the engine fills {@link #count} rows, the backend fills the results.
 */
public final class SamplingBatch {
    /** Row of the logits that each entry samples from. */
    public final int[] row;
    /** 0 means greedy. */
    public final float[] temperature;
    /** Keep the k likeliest; 0 means all. */
    public final int[] topK;
    /** Keep the smallest set whose probability reaches p; 1 means all. */
    public final float[] topP;
    /** Drop tokens less likely than {@code minP} times the likeliest; 0 means none. */
    public final float[] minP;
    /** Divides positive and multiplies negative logits of tokens in prompt or output; 1 means none. */
    public final float[] repetitionPenalty;
    /** Subtracted from the logits of tokens in the output. */
    public final float[] presencePenalty;
    /** Subtracted once per occurrence in the output. */
    public final float[] frequencyPenalty;
    /** Seed of the request's generator. */
    public final long[] seed;
    /** Index in the sequence of the token that is drawn: the generator's counter. */
    public final int[] position;
    /** The sequence's token history, prompt first; null where no penalty needs it. */
    public final int[] @Nullable [] history;
    /** Tokens of {@link #history} that belong to the prompt. */
    public final int[] promptLength;
    /** Tokens of {@link #history} in use. */
    public final int[] historyLength;
    /** Ids whose logits get {@link #biasValue} added; null means none. */
    public final int[] @Nullable [] biasId;
    /** Added to the logits of {@link #biasId}; negative infinity bans. */
    public final float[] @Nullable [] biasValue;
    /** Ids that may not be drawn at this step (stop ids before min_tokens); null means none. */
    public final int[] @Nullable [] banned;
    /** Allowed ids as a bit set of {@code ceil(vocab/64)} words; null means all (constrained decoding, allowed_token_ids). */
    public final long[] @Nullable [] allowed;
    /** Not to be drawn but given: the id to report log-probabilities of (prompt tokens); -1 means draw. */
    public final int[] forcedId;
    /** Log-probabilities wanted: -1 none, 0 the drawn token only, k the k likeliest too. */
    public final int[] logprobs;
    /** The ids to tell the log-probabilities of, as many as {@link #logprobs} says, in place of the likeliest; null means these. */
    public final int[] @Nullable [] logprobIds;

    /** Result: drawn ids. */
    public final int[] sampledId;
    /** Result: log-probability of the drawn id under the raw logits, where asked for. */
    public final float[] sampledLogprob;
    /** Result: rank (1 = likeliest) of the drawn id, where log-probabilities were asked for. */
    public final int[] sampledRank;
    /** Result: {@code [count][k]} likeliest ids, descending; or {@link #logprobIds}. */
    public final int[] @Nullable [] topId;
    /** Result: their log-probabilities. */
    public final float[] @Nullable [] topLogprob;
    /** Result: whether the row's logits held a NaN or +infinity or left no token to draw; the drawn id is then meaningless. */
    public final boolean[] corrupted;

    /** Rows in use. */
    public int count;

    /** Room for {@code capacity} rows. */
    public SamplingBatch(int capacity) {
        row = new int[capacity];
        temperature = new float[capacity];
        topK = new int[capacity];
        topP = new float[capacity];
        minP = new float[capacity];
        repetitionPenalty = new float[capacity];
        presencePenalty = new float[capacity];
        frequencyPenalty = new float[capacity];
        seed = new long[capacity];
        position = new int[capacity];
        history = new int[capacity][];
        promptLength = new int[capacity];
        historyLength = new int[capacity];
        biasId = new int[capacity][];
        biasValue = new float[capacity][];
        banned = new int[capacity][];
        allowed = new long[capacity][];
        forcedId = new int[capacity];
        Arrays.fill(forcedId, -1);
        logprobs = new int[capacity];
        logprobIds = new int[capacity][];
        sampledId = new int[capacity];
        sampledLogprob = new float[capacity];
        sampledRank = new int[capacity];
        topId = new int[capacity][];
        topLogprob = new float[capacity][];
        corrupted = new boolean[capacity];
    }
}
