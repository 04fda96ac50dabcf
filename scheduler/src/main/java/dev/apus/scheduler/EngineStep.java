package dev.apus.scheduler;

import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kvcache.BlockManager;
import org.jspecify.annotations.Nullable;

/**
 * One step from its building to its reading: the preallocated batches of the runner, and which sequences they belong to. Refilled for each
 * step. Owned by the engine's thread.
 */
final class EngineStep {
    final StepBatch batch;
    final SamplingBatch sampling;
    private final Sequences sequences;
    private final BlockManager blocks;
    private final int[] rows;
    /** Who was in the rows when the step was built: a row may have another sequence by the time the step is read. */
    private final @Nullable Submission[] submissions;
    /** Tokens of each sequence whose keys and values are there once the step has run. */
    private final int[] computed;
    /** First sampling entry of each sequence, then the number of entries. */
    private final int[] entries;

    private int count;

    EngineStep(Sequences sequences, BlockManager blocks, EngineOptions options) {
        this.sequences = sequences;
        this.blocks = blocks;
        batch = new StepBatch(options.maxNumBatchedTokens(), options.maxNumSeqs(), blocks.blockSize());
        sampling = new SamplingBatch(options.maxLogitRows());
        rows = new int[options.maxNumSeqs()];
        submissions = new Submission[options.maxNumSeqs()];
        computed = new int[options.maxNumSeqs()];
        entries = new int[options.maxNumSeqs() + 1];
    }

    void clear() {
        batch.clear();
        sampling.count = 0;
        count = 0;
    }

    /** Sequences of the step. */
    int count() {
        return count;
    }

    int row(int i) {
        return rows[i];
    }

    /** Whether the i-th sequence is still the one in its row: it may have ended, and its row may be another's. */
    boolean isCurrent(int i) {
        return sequences.isRow(rows[i], submissions[i]);
    }

    int computed(int i) {
        return computed[i];
    }

    int firstEntry(int i) {
        return entries[i];
    }

    int endEntry(int i) {
        return entries[i + 1];
    }

    /** Forgets whose step it was. */
    void release() {
        for (int i = 0; i < count; i++) {
            submissions[i] = null;
        }
        count = 0;
    }

    /**
     * Adds the scheduled tokens of a sequence and one sampling entry per logit row of theirs: the prompt's next token where its
     * log-probability is wanted, a draw after the last token.
     *
     * @param ropeOffset the runner's for the sequence's length
     */
    void add(int row, int ropeOffset) {
        int from = sequences.computed[row];
        int tokens = sequences.scheduled[row];
        int logitsFrom = sequences.logitsFrom(row, tokens);
        batch.addSequence(
                sequences.tokens[row],
                from,
                tokens,
                blocks.blockTable(row),
                blocks.blockCount(row),
                logitsFrom - from,
                ropeOffset);
        rows[count] = row;
        submissions[count] = sequences.submission(row);
        computed[count] = from + tokens;
        for (int position = logitsFrom; position < from + tokens; position++) {
            addEntry(row, position);
        }
        count++;
        entries[count] = sampling.count;
    }

    private void addEntry(int row, int position) {
        SamplingBatch s = sampling;
        int i = s.count++;
        Submission submission = sequences.submission(row);
        SamplingParams params = submission.request.params();
        boolean given = position + 1 < sequences.length[row];
        s.row[i] = i;
        s.forcedId[i] = given ? sequences.tokens[row][position + 1] : -1;
        s.logprobs[i] = given ? params.promptLogprobs() : params.logprobs();
        s.temperature[i] = params.temperature();
        s.topK[i] = params.topK();
        s.topP[i] = params.topP();
        s.minP[i] = params.minP();
        s.repetitionPenalty[i] = params.repetitionPenalty();
        s.presencePenalty[i] = params.presencePenalty();
        s.frequencyPenalty[i] = params.frequencyPenalty();
        s.seed[i] = params.seed();
        s.position[i] = position + 1;
        s.history[i] = params.hasPenalties() && !given ? sequences.tokens[row] : null;
        s.promptLength[i] = sequences.promptLength[row];
        s.historyLength[i] = sequences.length[row];
        s.biasId[i] = submission.biasId;
        s.biasValue[i] = submission.biasValue;
        // A token that is drawn but not read yet counts: this entry draws the one after it.
        boolean early = sequences.length[row] - sequences.promptLength[row] < params.minTokens();
        s.banned[i] = early ? submission.bannedAtFirst : submission.banned;
        s.allowed[i] = submission.allowed;
        s.logprobIds[i] = given ? null : submission.logprobIds;
        s.corrupted[i] = false;
        if (submission.rules != null && !given) {
            applyRules(submission.rules, row, i);
        }
    }

    private void applyRules(TokenRules rules, int row, int i) {
        rules.read(sequences.tokens[row], sequences.promptLength[row], sequences.length[row], sampling.banned[i]);
        sampling.banned[i] = rules.banned();
        long[] forced = rules.forced();
        if (forced != null) {
            // Nothing may keep it from being drawn.
            sampling.allowed[i] = forced;
            sampling.banned[i] = null;
            sampling.biasId[i] = null;
            sampling.biasValue[i] = null;
        }
    }
}
