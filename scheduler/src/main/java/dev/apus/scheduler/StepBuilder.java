package dev.apus.scheduler;

import dev.apus.kernels.SamplingBatch;
import dev.apus.kernels.StepBatch;
import dev.apus.kvcache.BlockManager;

/** Fills the preallocated batches of a step from the scheduled sequences. Owned by the engine's thread. */
final class StepBuilder {
    final StepBatch batch;
    final SamplingBatch sampling;
    private final Runner runner;
    private final Sequences sequences;
    private final BlockManager blocks;

    StepBuilder(Runner runner, Sequences sequences, BlockManager blocks, EngineOptions options) {
        this.runner = runner;
        this.sequences = sequences;
        this.blocks = blocks;
        batch = new StepBatch(options.maxNumBatchedTokens(), options.maxNumSeqs(), blocks.blockSize());
        sampling = new SamplingBatch(options.maxLogitRows());
    }

    void clear() {
        batch.clear();
        sampling.count = 0;
    }

    /**
     * Adds the scheduled tokens of a sequence and one sampling entry per logit row of theirs: the prompt's next token where its
     * log-probability is wanted, a draw after the last known token.
     */
    void add(int row) {
        int from = sequences.computed[row];
        int count = sequences.scheduled[row];
        int logitsFrom = sequences.logitsFrom(row, count);
        batch.addSequence(
                sequences.tokens[row],
                from,
                count,
                blocks.blockTable(row),
                blocks.blockCount(row),
                logitsFrom - from,
                runner.ropeOffset(sequences.length[row]));
        for (int position = logitsFrom; position < from + count; position++) {
            addEntry(row, position);
        }
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
        s.banned[i] = sequences.generated(row) < params.minTokens() ? submission.stopIds : null;
        s.allowed[i] = submission.allowed;
        s.corrupted[i] = false;
    }
}
