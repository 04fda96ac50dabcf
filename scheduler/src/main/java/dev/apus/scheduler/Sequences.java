package dev.apus.scheduler;

import dev.apus.kvcache.BlockHashes;
import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * State of all sequences in the engine, waiting and running, as a struct of arrays; a sequence is a row number, which is also its row in
 * the block manager. Rows are reused; arrays grow with the largest number of sequences seen. Owned by the engine's thread.
 */
final class Sequences {
    private static final int NEW_ROWS = 64;

    /**
     * Prompt and output, {@link #length} of them in use. The last {@link #pending} ones are drawn by steps that have not been read: each is
     * {@code -1 - r} for row r of its step.
     */
    int[][] tokens = new int[0][];

    int[] length = new int[0];
    /** Tokens at the end that are not known yet. */
    int[] pending = new int[0];
    /** Whether the next token must be known before the sequence can go on: it ends with it, or is computed anew. */
    boolean[] held = new boolean[0];

    int[] promptLength = new int[0];
    /** Tokens whose keys and values are in the cache once all launched steps have run. */
    int[] computed = new int[0];
    /** Tokens of those steps that have been read. */
    int[] settled = new int[0];
    /** Prompt tokens found in the prefix cache when it was first scheduled. */
    int[] cached = new int[0];
    /** Tokens of the step being built or run. */
    int[] scheduled = new int[0];
    /** Prompt tokens whose log-probability has been launched or is not wanted; token 0 has none. */
    int[] promptScored = new int[0];

    /** Tokens that its tenant has been charged for, from the first on. */
    int[] charged = new int[0];

    int[] priority = new int[0];
    /** Order of arrival. */
    long[] ticket = new long[0];
    /** How often a later request was admitted before it. */
    int[] passedOver = new int[0];

    int[] preemptions = new int[0];
    /** {@link System#nanoTime} stations; 0 means not yet. */
    long[] firstScheduled = new long[0];

    long[] firstToken = new long[0];

    private @Nullable TenantQueue[] tenants = new TenantQueue[0];
    private @Nullable Submission[] submissions = new Submission[0];
    private @Nullable BlockHashes[] hashes = new BlockHashes[0];
    private final List<@Nullable List<TokenLogprobs>> promptLogprobs = new ArrayList<>();
    private int[] free = new int[0];
    private int freeCount;
    private int rows;
    private long tickets;

    /** Takes a row for a new sequence. */
    int add(Submission submission, TenantQueue tenant, BlockHashes chain) {
        if (freeCount == 0) {
            growRows();
        }
        int row = free[--freeCount];
        int[] prompt = submission.request.prompt();
        // Room for what most answers need; grows by half when it is full.
        tokens[row] = Arrays.copyOf(
                prompt, prompt.length + Math.min(submission.request.params().maxTokens(), 256));
        length[row] = prompt.length;
        pending[row] = 0;
        held[row] = false;
        promptLength[row] = prompt.length;
        computed[row] = 0;
        settled[row] = 0;
        cached[row] = 0;
        scheduled[row] = 0;
        promptScored[row] = submission.request.params().promptLogprobs() < 0 ? prompt.length : 1;
        charged[row] = 0;
        priority[row] = submission.request.priority();
        ticket[row] = tickets++;
        passedOver[row] = 0;
        preemptions[row] = 0;
        firstScheduled[row] = 0;
        firstToken[row] = 0;
        tenants[row] = tenant;
        submissions[row] = submission;
        hashes[row] = chain;
        promptLogprobs.set(row, null);
        chain.extend(prompt, prompt.length);
        return row;
    }

    /** Gives a row back. */
    void remove(int row) {
        tenants[row] = null;
        submissions[row] = null;
        hashes[row] = null;
        promptLogprobs.set(row, null);
        tokens[row] = new int[0];
        free[freeCount++] = row;
    }

    /** Appends the token that entry {@code entry} of the step just launched draws. */
    void appendPending(int row, int entry) {
        if (length[row] == tokens[row].length) {
            tokens[row] = Arrays.copyOf(tokens[row], length[row] + length[row] / 2 + 16);
        }
        tokens[row][length[row]++] = -1 - entry;
        pending[row]++;
    }

    /** The oldest pending token is known. */
    void resolve(int row, int position, int id) {
        tokens[row][position] = id;
        pending[row]--;
    }

    /** Whether {@code row} holds {@code submission}. */
    boolean isRow(int row, @Nullable Submission submission) {
        return submission != null && submissions[row] == submission;
    }

    Submission submission(int row) {
        Submission submission = submissions[row];
        if (submission == null) {
            throw new IllegalStateException("row " + row + " has no sequence");
        }
        return submission;
    }

    Request request(int row) {
        return submission(row).request;
    }

    TenantQueue tenant(int row) {
        TenantQueue tenant = tenants[row];
        if (tenant == null) {
            throw new IllegalStateException("row " + row + " has no sequence");
        }
        return tenant;
    }

    BlockHashes hashes(int row) {
        BlockHashes chain = hashes[row];
        if (chain == null) {
            throw new IllegalStateException("row " + row + " has no sequence");
        }
        return chain;
    }

    /** {@code tokens} of the sequence are in the cache by what others computed, or none are any more. */
    void startAt(int row, int tokens) {
        computed[row] = tokens;
        settled[row] = tokens;
    }

    /** Gives a sequence other hashes. */
    void rehash(int row, BlockHashes chain) {
        chain.extend(tokens[row], length[row]);
        hashes[row] = chain;
    }

    /** Adds log-probabilities of the next prompt token. */
    void addPromptLogprobs(int row, TokenLogprobs entry) {
        List<TokenLogprobs> list = promptLogprobs.get(row);
        if (list == null) {
            list = new ArrayList<>(promptLength[row]);
            promptLogprobs.set(row, list);
        }
        list.add(entry);
    }

    /** Log-probabilities of the prompt once they are complete and were asked for; only once. */
    @Nullable
    List<TokenLogprobs> takePromptLogprobs(int row) {
        List<TokenLogprobs> list = promptLogprobs.get(row);
        promptLogprobs.set(row, null);
        return list;
    }

    /** Tokens of the output that are known. */
    int generated(int row) {
        return length[row] - pending[row] - promptLength[row];
    }

    /** Tokens that are not computed. */
    int remaining(int row) {
        return length[row] - computed[row];
    }

    /**
     * First position of {@code count} scheduled tokens whose logits are wanted; behind the last of them if none are, as for a prompt that
     * is computed anew after a preemption, up to where it had been scored.
     */
    int logitsFrom(int row, int count) {
        int end = computed[row] + count;
        if (promptScored[row] < promptLength[row]) {
            return Math.min(end, Math.max(computed[row], promptScored[row] - 1));
        }
        return end == length[row] ? end - 1 : end;
    }

    /** Whether {@code a} goes before {@code b} of the same tenant: a lower priority number, or an earlier arrival. */
    boolean before(int a, int b) {
        return priority[a] != priority[b] ? priority[a] < priority[b] : ticket[a] < ticket[b];
    }

    private void growRows() {
        int capacity = Math.max(NEW_ROWS, rows * 2);
        tokens = Arrays.copyOf(tokens, capacity);
        length = Arrays.copyOf(length, capacity);
        pending = Arrays.copyOf(pending, capacity);
        held = Arrays.copyOf(held, capacity);
        promptLength = Arrays.copyOf(promptLength, capacity);
        computed = Arrays.copyOf(computed, capacity);
        settled = Arrays.copyOf(settled, capacity);
        cached = Arrays.copyOf(cached, capacity);
        scheduled = Arrays.copyOf(scheduled, capacity);
        promptScored = Arrays.copyOf(promptScored, capacity);
        charged = Arrays.copyOf(charged, capacity);
        priority = Arrays.copyOf(priority, capacity);
        tenants = Arrays.copyOf(tenants, capacity);
        ticket = Arrays.copyOf(ticket, capacity);
        passedOver = Arrays.copyOf(passedOver, capacity);
        preemptions = Arrays.copyOf(preemptions, capacity);
        firstScheduled = Arrays.copyOf(firstScheduled, capacity);
        firstToken = Arrays.copyOf(firstToken, capacity);
        submissions = Arrays.copyOf(submissions, capacity);
        hashes = Arrays.copyOf(hashes, capacity);
        free = Arrays.copyOf(free, capacity);
        for (int row = capacity - 1; row >= rows; row--) {
            free[freeCount++] = row;
            promptLogprobs.add(null);
        }
        rows = capacity;
    }
}
