package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.apus.kernels.SamplingBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** The blocks that the sampling kernels read and write, byte for byte as {@code sampling.cu} declares them. */
class SamplingBlockTest {
    private static final int VOCAB = 100;
    private final Arena arena = Arena.ofAuto();

    private static SamplingBatch plain(int count) {
        SamplingBatch batch = new SamplingBatch(count);
        batch.count = count;
        Arrays.fill(batch.topP, 1);
        Arrays.fill(batch.repetitionPenalty, 1);
        Arrays.fill(batch.logprobs, -1);
        for (int i = 0; i < count; i++) {
            batch.row[i] = i;
        }
        return batch;
    }

    private MemorySegment poisoned(long bytes) {
        return arena.allocate(bytes, 8).fill((byte) 0x5a);
    }

    private static int word(MemorySegment block, long index) {
        return block.getAtIndex(ValueLayout.JAVA_INT, index);
    }

    @Test
    void plainGreedyRowsAreOnlyRecords() {
        MemorySegment block = poisoned(3 * SamplingBlock.ROW_BYTES);

        SamplingBlock.Plan plan = SamplingBlock.write(plain(3), 3, VOCAB, block);

        assertThat(plan).isEqualTo(new SamplingBlock.Plan(3, true, false, 3 * 96, 3 * 16));
        assertThat(word(block, 24 + 2)).as("row").isEqualTo(1);
        assertThat(word(block, 24 + 11)).as("forced id").isEqualTo(-1);
        assertThat(word(block, 24 + 15)).as("history length").isZero();
        assertThat(word(block, 24 + 18)).as("bias length").isZero();
        assertThat(word(block, 24 + 20)).as("banned length").isZero();
        assertThat(word(block, 24 + 22)).as("allowed length: all").isEqualTo(-1);
        assertThat(word(block, 24 + 23)).as("ids to tell of: none").isZero();
    }

    @Test
    void numbersAndListsLieWhereTheKernelLooks() {
        SamplingBatch batch = plain(2);
        batch.seed[1] = 0x123456789abcdef0L;
        batch.position[1] = 77;
        batch.temperature[1] = 0.5f;
        batch.topK[1] = 20;
        batch.topP[1] = 0.9f;
        batch.minP[1] = 0.1f;
        batch.repetitionPenalty[1] = 1.1f;
        batch.presencePenalty[1] = 1.2f;
        batch.frequencyPenalty[1] = 1.3f;
        batch.logprobs[0] = 4;
        batch.logprobs[1] = 3;
        batch.history[1] = new int[] {5, 6, -1, 99, 99};
        batch.historyLength[1] = 3;
        batch.promptLength[1] = 2;
        batch.biasId[1] = new int[] {7, 8};
        batch.biasValue[1] = new float[] {0.25f, -1};
        batch.banned[1] = new int[] {9};
        batch.allowed[1] = new long[] {0x8000000000000001L};
        batch.logprobIds[1] = new int[] {21, 22, 23};
        MemorySegment block = poisoned(SamplingBlock.parameterBytes(batch, VOCAB));

        SamplingBlock.Plan plan = SamplingBlock.write(batch, 2, VOCAB, block);

        assertThat(plan.greedy()).isFalse();
        assertThat(plan.previous()).isTrue();
        assertThat(plan.resultBytes()).isEqualTo(2 * 16 + 7 * 8);
        assertThat(block.get(ValueLayout.JAVA_LONG, 96)).isEqualTo(0x123456789abcdef0L);
        MemorySegment record = block.asSlice(96, 96);
        assertThat(record.asSlice(8, 48).toArray(ValueLayout.JAVA_INT))
                .containsExactly(
                        1,
                        77,
                        Float.floatToIntBits(0.5f),
                        20,
                        Float.floatToIntBits(0.9f),
                        Float.floatToIntBits(0.1f),
                        Float.floatToIntBits(1.1f),
                        Float.floatToIntBits(1.2f),
                        Float.floatToIntBits(1.3f),
                        -1,
                        3,
                        4 + 4);
        assertThat(record.asSlice(56).toArray(ValueLayout.JAVA_INT)).containsExactly(48, 3, 2, 51, 2, 55, 1, 56, 2, 58);
        assertThat(block.asSlice(2 * 96, 13 * 4).toArray(ValueLayout.JAVA_INT))
                .containsExactly(
                        5,
                        6,
                        -1,
                        7,
                        8,
                        Float.floatToIntBits(0.25f),
                        Float.floatToIntBits(-1),
                        9,
                        1,
                        0x80000000,
                        21,
                        22,
                        23);
    }

    @Test
    void resultsAreRead() {
        SamplingBatch batch = plain(3);
        batch.logprobs[1] = 2;
        batch.logprobs[2] = 0;
        MemorySegment results = poisoned(SamplingBlock.resultBytes(batch, VOCAB));
        int[] words = {
            11,
            0,
            0,
            0, //
            12,
            Float.floatToIntBits(-0.5f),
            3,
            0, //
            0,
            0,
            0,
            1, //
            40,
            Float.floatToIntBits(-0.1f),
            41,
            Float.floatToIntBits(-0.2f)
        };
        MemorySegment.copy(words, 0, results, ValueLayout.JAVA_INT, 0, words.length);

        SamplingBlock.read(results, batch, VOCAB);

        assertThat(batch.sampledId).containsExactly(11, 12, 0);
        assertThat(batch.corrupted).containsExactly(false, false, true);
        assertThat(batch.sampledLogprob[1]).isEqualTo(-0.5f);
        assertThat(batch.sampledRank[1]).isEqualTo(3);
        assertThat(batch.topId[1]).containsExactly(40, 41);
        assertThat(batch.topLogprob[1]).containsExactly(-0.1f, -0.2f);
    }

    @Test
    void boundsHold() {
        SamplingBatch batch = plain(1);
        batch.logprobs[0] = 1000;
        batch.history[0] = new int[50];
        batch.historyLength[0] = 50;
        batch.biasId[0] = new int[3];
        batch.biasValue[0] = new float[3];
        batch.banned[0] = new int[4];
        batch.allowed[0] = new long[9];

        assertThat(SamplingBlock.parameterBytes(batch, VOCAB))
                .isLessThanOrEqualTo(SamplingBlock.maxParameterBytes(1, 50, 7, VOCAB));
        assertThat(SamplingBlock.resultBytes(batch, VOCAB)).isEqualTo(SamplingBlock.maxResultBytes(1, VOCAB));
    }

    @Test
    void whatDoesNotFitIsRefused() {
        SamplingBatch batch = plain(1);
        MemorySegment block = poisoned(96);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SamplingBlock.write(batch, 0, VOCAB, block))
                .withMessageContaining("row 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SamplingBlock.write(batch, 1, VOCAB, poisoned(95)))
                .withMessageContaining("96 bytes");
        batch.forcedId[0] = VOCAB;
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SamplingBlock.write(batch, 1, VOCAB, block))
                .withMessageContaining("id 100");
        batch.forcedId[0] = -1;
        batch.history[0] = new int[1];
        batch.historyLength[0] = 2;
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SamplingBlock.write(batch, 1, VOCAB, poisoned(1000)))
                .withMessageContaining("history of 1");
    }
}
