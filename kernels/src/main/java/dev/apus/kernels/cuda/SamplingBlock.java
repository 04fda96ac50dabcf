package dev.apus.kernels.cuda;

import dev.apus.kernels.SamplingBatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A {@link SamplingBatch} as the sampling kernels read it, and their results as they write them: two blocks of memory, one to upload, one
 * to download. Mirrors {@code Row}, {@code Result} and {@code Top} of {@code sampling.cu}.
 *
 * <p>Parameters: {@code count} records of {@value #ROW_BYTES} bytes, then the rows' lists (history; bias ids, then values; banned ids;
 * allowed words; ids to tell of), whose offsets in the records count ints from the block's start. Results: {@code count} records of
 * {@value #RESULT_BYTES} bytes, then the likeliest tokens of rows that want them, {@value #TOP_BYTES} bytes each.
 */
final class SamplingBlock {
    /** Bytes of a row's record. */
    static final int ROW_BYTES = 96;
    /** Bytes of a row's result. */
    static final int RESULT_BYTES = 16;
    /** Bytes of one of the likeliest tokens. */
    static final int TOP_BYTES = 8;

    /** Temperatures below it are greedy: the kernel's constant. */
    private static final float GREEDY = 1e-5f;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    /**
     * What a written batch needs: which kernel, how much to copy.
     *
     * @param rows rows in use
     * @param greedy whether all rows are greedy and nothing else is asked for
     * @param previous whether some history may refer to ids that the step before drew
     * @param parameterBytes bytes of the parameter block in use
     * @param resultBytes bytes of the result block that the kernels fill
     */
    record Plan(int rows, boolean greedy, boolean previous, long parameterBytes, long resultBytes) {}

    private SamplingBlock() {}

    /**
     * Upper bound of the bytes of a parameter block.
     *
     * @param rows most rows of a batch
     * @param historyTokens most tokens of all histories together
     * @param listEntries most bias and banned ids and ids to tell of of all rows together
     * @param vocab ids of the vocabulary; every row may bring its bit set
     */
    static long maxParameterBytes(int rows, long historyTokens, long listEntries, int vocab) {
        return (long) rows * (ROW_BYTES + 8L * words(vocab)) + Integer.BYTES * (historyTokens + 2 * listEntries);
    }

    /** Upper bound of the bytes of a result block of {@code rows} rows that want at most {@code logprobs} likeliest tokens each. */
    static long maxResultBytes(int rows, int logprobs) {
        return rows * (RESULT_BYTES + (long) TOP_BYTES * Math.max(0, logprobs));
    }

    /** Bytes that {@link #write} needs for a batch. */
    static long parameterBytes(SamplingBatch batch, int vocab) {
        long ints = 0;
        for (int i = 0; i < batch.count; i++) {
            int[] bias = batch.biasId[i];
            int[] banned = batch.banned[i];
            ints += batch.history[i] == null ? 0 : batch.historyLength[i];
            ints += bias == null ? 0 : 2L * bias.length;
            ints += banned == null ? 0 : banned.length;
            ints += batch.allowed[i] == null ? 0 : 2L * words(vocab);
            ints += batch.logprobIds[i] == null ? 0 : topCount(batch, i, vocab);
        }
        return (long) batch.count * ROW_BYTES + Integer.BYTES * ints;
    }

    /** Bytes of the result block of a batch. */
    static long resultBytes(SamplingBatch batch, int vocab) {
        long top = 0;
        for (int i = 0; i < batch.count; i++) {
            top += topCount(batch, i, vocab);
        }
        return (long) batch.count * RESULT_BYTES + TOP_BYTES * top;
    }

    /**
     * Writes the parameters of a batch.
     *
     * @param rows rows of the logits
     * @throws IllegalArgumentException if a row, a forced id or a list does not fit the logits, or the block does not fit {@code target}
     */
    static Plan write(SamplingBatch batch, int rows, int vocab, MemorySegment target) {
        long bytes = parameterBytes(batch, vocab);
        if (bytes > target.byteSize()) {
            throw new IllegalArgumentException("sampling parameters of " + batch.count + " rows take " + bytes
                    + " bytes, the block has " + target.byteSize());
        }
        int at = batch.count * (ROW_BYTES / Integer.BYTES);
        int top = batch.count * (RESULT_BYTES / TOP_BYTES);
        boolean greedy = true;
        boolean previous = false;
        for (int i = 0; i < batch.count; i++) {
            check(batch, i, rows, vocab);
            long record = (long) i * ROW_BYTES;
            writeNumbers(batch, i, target, record);
            target.set(INT, record + 52, top);
            top += topCount(batch, i, vocab);
            at = writeLists(batch, i, vocab, target, record, at);
            greedy &= isPlainGreedy(batch, i);
            previous |= batch.history[i] != null;
        }
        return new Plan(batch.count, greedy, previous, bytes, (long) top * TOP_BYTES);
    }

    /** Fills the results of a batch from a downloaded block. */
    static void read(MemorySegment results, SamplingBatch batch, int vocab) {
        long top = (long) batch.count * RESULT_BYTES;
        for (int i = 0; i < batch.count; i++) {
            long record = (long) i * RESULT_BYTES;
            batch.sampledId[i] = results.get(INT, record);
            batch.corrupted[i] = results.get(INT, record + 12) != 0;
            if (batch.logprobs[i] >= 0) {
                batch.sampledLogprob[i] = results.get(FLOAT, record + 4);
                batch.sampledRank[i] = results.get(INT, record + 8);
                int count = topCount(batch, i, vocab);
                if (!batch.corrupted[i]) {
                    readTop(results, top, batch, i, count);
                }
                top += (long) count * TOP_BYTES;
            }
        }
    }

    private static void readTop(MemorySegment results, long from, SamplingBatch batch, int i, int count) {
        int[] ids = batch.topId[i];
        float[] logprobs = batch.topLogprob[i];
        if (ids == null || logprobs == null || ids.length < count || logprobs.length < count) {
            ids = new int[count];
            logprobs = new float[count];
            batch.topId[i] = ids;
            batch.topLogprob[i] = logprobs;
        }
        for (int j = 0; j < count; j++) {
            ids[j] = results.get(INT, from + (long) j * TOP_BYTES);
            logprobs[j] = results.get(FLOAT, from + (long) j * TOP_BYTES + 4);
        }
    }

    private static void writeNumbers(SamplingBatch batch, int i, MemorySegment target, long record) {
        target.set(LONG, record, batch.seed[i]);
        target.set(INT, record + 8, batch.row[i]);
        target.set(INT, record + 12, batch.position[i]);
        target.set(FLOAT, record + 16, batch.temperature[i]);
        target.set(INT, record + 20, batch.topK[i]);
        target.set(FLOAT, record + 24, batch.topP[i]);
        target.set(FLOAT, record + 28, batch.minP[i]);
        target.set(FLOAT, record + 32, batch.repetitionPenalty[i]);
        target.set(FLOAT, record + 36, batch.presencePenalty[i]);
        target.set(FLOAT, record + 40, batch.frequencyPenalty[i]);
        target.set(INT, record + 44, batch.forcedId[i]);
        target.set(INT, record + 48, batch.logprobs[i]);
    }

    /** Writes the lists of a row from int {@code from} on; returns the int behind them. */
    private static int writeLists(SamplingBatch batch, int i, int vocab, MemorySegment target, long record, int from) {
        int at = from;
        int[] history = batch.history[i];
        int length = history == null ? 0 : batch.historyLength[i];
        writeList(target, record + 56, at, length);
        target.set(INT, record + 64, history == null ? 0 : batch.promptLength[i]);
        if (history != null) {
            at = append(history, length, target, at);
        }
        int[] bias = batch.biasId[i];
        float[] values = batch.biasValue[i];
        writeList(target, record + 68, at, bias == null ? 0 : bias.length);
        if (bias != null && values != null) {
            at = append(bias, bias.length, target, at);
            MemorySegment.copy(values, 0, target, FLOAT, (long) at * Integer.BYTES, bias.length);
            at += bias.length;
        }
        int[] banned = batch.banned[i];
        writeList(target, record + 76, at, banned == null ? 0 : banned.length);
        if (banned != null) {
            at = append(banned, banned.length, target, at);
        }
        long[] allowed = batch.allowed[i];
        // A set that ends early allows nothing behind its end, which the kernel knows by the length.
        int words = allowed == null ? 0 : Math.min(allowed.length, words(vocab));
        writeList(target, record + 84, at, allowed == null ? -1 : 2 * words);
        for (int w = 0; allowed != null && w < words; w++) {
            target.set(INT, (long) at++ * Integer.BYTES, (int) allowed[w]);
            target.set(INT, (long) at++ * Integer.BYTES, (int) (allowed[w] >>> 32));
        }
        int[] named = batch.logprobIds[i];
        // A list lies behind the records, never at 0.
        target.set(INT, record + 92, named == null ? 0 : at);
        return named == null ? at : append(named, topCount(batch, i, vocab), target, at);
    }

    private static void writeList(MemorySegment target, long field, int offset, int length) {
        target.set(INT, field, offset);
        target.set(INT, field + 4, length);
    }

    private static int append(int[] values, int length, MemorySegment target, int at) {
        MemorySegment.copy(values, 0, target, INT, (long) at * Integer.BYTES, length);
        return at + length;
    }

    private static void check(SamplingBatch batch, int i, int rows, int vocab) {
        if (batch.row[i] < 0 || batch.row[i] >= rows) {
            throw new IllegalArgumentException(
                    "entry " + i + " samples from row " + batch.row[i] + " of logits of " + rows + " rows");
        }
        if (batch.forcedId[i] >= vocab) {
            throw new IllegalArgumentException("entry " + i + " reports on id " + batch.forcedId[i]
                    + ", which a vocabulary of " + vocab + " ids lacks");
        }
        int[] named = batch.logprobIds[i];
        if (named != null && named.length < topCount(batch, i, vocab)) {
            throw new IllegalArgumentException("entry " + i + " wants log-probabilities of " + batch.logprobs[i]
                    + " ids but names " + named.length);
        }
        int[] bias = batch.biasId[i];
        float[] values = batch.biasValue[i];
        if (bias != null && (values == null || values.length < bias.length)) {
            throw new IllegalArgumentException("entry " + i + " has " + bias.length + " bias ids but "
                    + (values == null ? 0 : values.length) + " values");
        }
        int[] history = batch.history[i];
        if (history != null && (batch.historyLength[i] > history.length || batch.promptLength[i] < 0)) {
            throw new IllegalArgumentException("entry " + i + " uses " + batch.historyLength[i] + " tokens, "
                    + batch.promptLength[i] + " of the prompt, of a history of " + history.length);
        }
    }

    private static boolean isPlainGreedy(SamplingBatch batch, int i) {
        return batch.temperature[i] < GREEDY
                && batch.logprobs[i] < 0
                && batch.forcedId[i] < 0
                && batch.history[i] == null
                && batch.biasId[i] == null
                && batch.banned[i] == null
                && batch.allowed[i] == null;
    }

    private static int topCount(SamplingBatch batch, int i, int vocab) {
        return Math.clamp(batch.logprobs[i], 0, vocab);
    }

    private static int words(int vocab) {
        return (vocab + 63) / 64;
    }
}
