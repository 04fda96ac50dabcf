package dev.apus.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.SamplingBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Objects;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CpuSamplerTest {
    private final CpuPool pool = new CpuPool(2);
    private final CpuSampler sampler = new CpuSampler(pool, passes());
    private final Random random = new Random(7);

    /** What is tested. */
    Supplier<LogitPasses> passes() {
        return LogitVectors::new;
    }

    @AfterEach
    void close() {
        pool.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 7, 8, 15, 16, 17, 64, 1000, 1024, 1025, 49152})
    void greedyTakesTheLargestAndTheLowestAmongEquals(int vocab) {
        float[][] rows = new float[5][vocab];
        SamplingBatch batch = batch(rows.length);
        for (float[] row : rows) {
            for (int j = 0; j < vocab; j++) {
                row[j] = random.nextInt(20) - 10;
            }
        }
        Arrays.fill(rows[3], Float.NEGATIVE_INFINITY);
        rows[3][vocab - 1] = -5;
        sample(rows, batch);
        for (int i = 0; i < rows.length; i++) {
            assertThat(batch.sampledId[i]).isEqualTo(sorted(rows[i])[0]);
            assertThat(batch.corrupted[i]).isFalse();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {5, 64, 1030})
    void notANumberAndInfinityMarkTheirRowOnly(int vocab) {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            for (int at : new int[] {0, vocab / 2, vocab - 1}) {
                float[][] rows = normal(4, vocab);
                rows[1][at] = bad;
                rows[2][at] = bad;
                SamplingBatch batch = batch(4);
                batch.temperature[2] = 1;
                sample(rows, batch);
                assertThat(batch.corrupted).containsExactly(false, true, true, false);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1,0", "17,5", "1000,20", "1000,1000", "49152,20"})
    void logprobsAreOfTheRawLogits(int vocab, int k) {
        float[][] rows = normal(3, vocab);
        SamplingBatch batch = batch(3);
        for (int i = 0; i < 3; i++) {
            batch.logprobs[i] = k;
            batch.temperature[i] = i == 1 ? 3f : 0f;
            batch.biasId[i] = new int[] {0};
            batch.biasValue[i] = new float[] {i == 2 ? 100f : 0f};
        }
        batch.forcedId[0] = vocab / 2;
        sample(rows, batch);
        assertThat(batch.sampledId[0]).isEqualTo(vocab / 2);
        assertThat(batch.sampledId[2]).isZero();
        for (int i = 0; i < 3; i++) {
            float[] row = rows[i];
            double logSum = Math.log(sum(row));
            int[] order = sorted(row);
            int id = batch.sampledId[i];
            assertThat(batch.sampledLogprob[i]).isCloseTo((float) (row[id] - logSum), within(1e-4f));
            assertThat(order[batch.sampledRank[i] - 1]).isEqualTo(id);
            int[] topId = Objects.requireNonNull(batch.topId[i]);
            float[] topLogprob = Objects.requireNonNull(batch.topLogprob[i]);
            for (int j = 0; j < k; j++) {
                assertThat(topId[j]).isEqualTo(order[j]);
                assertThat(topLogprob[j]).isCloseTo((float) (row[order[j]] - logSum), within(1e-4f));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 17, 1000})
    void logprobsOfNamedIdsAreToldInTheirOrder(int vocab) {
        float[][] rows = normal(2, vocab);
        SamplingBatch batch = batch(2);
        int[] named = {vocab - 1, 0, vocab / 2};
        for (int i = 0; i < 2; i++) {
            batch.logprobs[i] = named.length;
            batch.logprobIds[i] = i == 0 ? named : null;
            // What may be drawn changes nothing of it.
            batch.banned[i] = new int[] {0};
        }
        sample(rows, batch);
        double logSum = Math.log(sum(rows[0]));
        int[] topId = Objects.requireNonNull(batch.topId[0]);
        float[] topLogprob = Objects.requireNonNull(batch.topLogprob[0]);
        assertThat(Arrays.copyOf(topId, named.length)).containsExactly(named);
        for (int j = 0; j < named.length; j++) {
            assertThat(topLogprob[j]).isCloseTo((float) (rows[0][named[j]] - logSum), within(1e-4f));
        }
        assertThat(Objects.requireNonNull(batch.topId[1])[0]).isEqualTo(sorted(rows[1])[0]);
    }

    @Test
    void penaltiesFollowTheirFormulas() {
        int vocab = 40;
        for (int round = 0; round < 200; round++) {
            float[][] rows = normal(1, vocab);
            int[] history =
                    IntStream.generate(() -> random.nextInt(vocab)).limit(30).toArray();
            int promptLength = random.nextInt(20);
            int length = promptLength + random.nextInt(11);
            SamplingBatch batch = batch(1);
            batch.history[0] = history;
            batch.promptLength[0] = promptLength;
            batch.historyLength[0] = length;
            batch.repetitionPenalty[0] = 0.5f + random.nextFloat();
            batch.presencePenalty[0] = random.nextFloat() * 4 - 2;
            batch.frequencyPenalty[0] = random.nextFloat() * 4 - 2;
            int banned = random.nextInt(vocab);
            batch.banned[0] = new int[] {banned};
            long allowed = random.nextLong() | 1L << 39;
            batch.allowed[0] = new long[] {allowed};
            batch.biasId[0] = new int[] {3, 4};
            batch.biasValue[0] = new float[] {2f, Float.NEGATIVE_INFINITY};

            float[] expected = rows[0].clone();
            for (int id = 0; id < vocab; id++) {
                int token = id;
                boolean seen = IntStream.range(0, length).anyMatch(j -> history[j] == token);
                long count = IntStream.range(promptLength, length)
                        .filter(j -> history[j] == token)
                        .count();
                if (id == banned || (allowed >>> id & 1) == 0) {
                    expected[id] = Float.NEGATIVE_INFINITY;
                }
                expected[id] += id == 3 ? 2f : id == 4 ? Float.NEGATIVE_INFINITY : 0f;
                if (seen) {
                    float r = batch.repetitionPenalty[0];
                    expected[id] = expected[id] > 0 ? expected[id] / r : expected[id] * r;
                }
                expected[id] -= count * batch.frequencyPenalty[0];
                expected[id] -= count > 0 ? batch.presencePenalty[0] : 0;
            }
            sample(rows, batch);
            int best = sorted(expected)[0];
            if (expected[best] == Float.NEGATIVE_INFINITY) {
                assertThat(batch.corrupted[0]).isTrue();
            } else {
                assertThat(expected[batch.sampledId[0]]).isCloseTo(expected[best], within(1e-4f));
            }
        }
    }

    @Test
    void nothingLeftToDrawIsReported() {
        SamplingBatch batch = batch(1);
        batch.allowed[0] = new long[] {2};
        batch.banned[0] = new int[] {1};
        sample(normal(1, 50), batch);
        assertThat(batch.corrupted[0]).isTrue();
    }

    /** Compares frequencies of many draws with the exact distribution, and that nothing outside of its support is drawn. */
    @ParameterizedTest
    @CsvSource({
        "50, 1.0, 0, 1.0, 0.0",
        "50, 0.7, 0, 1.0, 0.0",
        "50, 1.0, 5, 1.0, 0.0",
        "50, 1.3, 0, 0.8, 0.0",
        "50, 1.0, 0, 1.0, 0.1",
        "50, 1.5, 10, 0.7, 0.05",
        "50, 1.0, 50, 0.999, 0.0",
        "1030, 2.0, 0, 0.5, 0.0",
        "1030, 2.0, 400, 0.9, 0.0",
        "1030, 30.0, 0, 0.9, 0.0",
        "3000, 1.0, 0, 1.0, 0.0"
    })
    void drawsFollowTheRestrictedDistribution(int vocab, float temperature, int topK, float topP, float minP) {
        float[] logits = normal(1, vocab)[0];
        for (int j = 0; j < vocab; j++) {
            // Some equal logits, so that ties matter.
            logits[j] = Math.round(logits[j] * 8) / 8f;
        }
        double[] expected = distribution(logits, temperature, topK, topP, minP);
        int draws = 40_000;
        int[] counts = new int[vocab];
        int rows = 200;
        float[][] same = new float[rows][];
        Arrays.fill(same, logits);
        SamplingBatch batch = batch(rows);
        for (int round = 0; round < draws / rows; round++) {
            for (int i = 0; i < rows; i++) {
                batch.temperature[i] = temperature;
                batch.topK[i] = topK;
                batch.topP[i] = topP;
                batch.minP[i] = minP;
                batch.seed[i] = round % 20;
                batch.position[i] = round / 20 * rows + i;
            }
            sample(same, batch);
            for (int i = 0; i < rows; i++) {
                counts[batch.sampledId[i]]++;
            }
        }
        double chiSquare = 0;
        double restExpected = 0;
        double restCount = 0;
        int degrees = -1;
        for (int j = 0; j < vocab; j++) {
            if (expected[j] == 0) {
                assertThat(counts[j]).as("token %s is excluded", j).isZero();
            } else if (expected[j] * draws < 10) {
                restExpected += expected[j] * draws;
                restCount += counts[j];
            } else {
                double difference = counts[j] - expected[j] * draws;
                chiSquare += difference * difference / (expected[j] * draws);
                degrees++;
            }
        }
        if (restExpected > 0) {
            chiSquare += (restCount - restExpected) * (restCount - restExpected) / restExpected;
            degrees++;
        }
        // Mean plus five standard deviations of the chi-square distribution; the draws are fixed by their seeds.
        assertThat(chiSquare).isLessThan(degrees + 5 * Math.sqrt(2.0 * Math.max(1, degrees)));
    }

    @Test
    void aTokenDependsOnItsRowAndSeedAndPositionOnly() {
        int vocab = 5000;
        float[][] rows = normal(16, vocab);
        SamplingBatch all = batch(16);
        for (int i = 0; i < 16; i++) {
            all.temperature[i] = 0.5f + i * 0.1f;
            all.topP[i] = i % 2 == 0 ? 0.9f : 1f;
            all.topK[i] = i % 3 == 0 ? 40 : 0;
            all.seed[i] = 1234;
            all.position[i] = i;
        }
        sample(rows, all);
        for (int i = 0; i < 16; i++) {
            SamplingBatch one = batch(1);
            one.temperature[0] = all.temperature[i];
            one.topP[0] = all.topP[i];
            one.topK[0] = all.topK[i];
            one.seed[0] = 1234;
            one.position[0] = i;
            sample(new float[][] {rows[i]}, one);
            assertThat(one.sampledId[0]).isEqualTo(all.sampledId[i]);
        }
    }

    @Test
    void logitsMayBeAnyRowAndStayAsTheyAre() {
        float[][] rows = normal(3, 100);
        SamplingBatch batch = batch(2);
        batch.row[0] = 2;
        batch.row[1] = 2;
        batch.temperature[1] = 1;
        batch.topK[1] = 1;
        sample(rows, batch);
        assertThat(batch.sampledId[0]).isEqualTo(sorted(rows[2])[0]).isEqualTo(batch.sampledId[1]);
    }

    @Test
    void extremeTemperaturesAndLogitsStillDraw() {
        float[][] rows = normal(1, 300);
        rows[0][7] = 3e38f;
        SamplingBatch batch = batch(1);
        batch.temperature[0] = 1e-4f;
        sample(rows, batch);
        assertThat(batch.sampledId[0]).isEqualTo(7);
        batch.temperature[0] = 1e30f;
        batch.topP[0] = 0.5f;
        sample(rows, batch);
        assertThat(batch.sampledId[0]).isBetween(0, 299);
    }

    @Test
    void theKthLargestCountsEqualsApart() {
        float[] values = new float[LogitPasses.padded(1500)];
        Arrays.fill(values, Float.NEGATIVE_INFINITY);
        for (int j = 0; j < 1500; j++) {
            values[j] = (random.nextInt(41) - 20) / 4f;
        }
        float[] order = Arrays.copyOf(values, 1500);
        Arrays.sort(order);
        for (int k : new int[] {1, 2, 10, 700, 1499, 1500}) {
            assertThat(passes().get().kthLargest(values, k)).isEqualTo(order[1500 - k]);
        }
    }

    private void sample(float[][] rows, SamplingBatch batch) {
        int vocab = rows[0].length;
        try (Arena arena = Arena.ofShared()) {
            MemorySegment data = arena.allocate(4L * rows.length * vocab, 64);
            for (int i = 0; i < rows.length; i++) {
                MemorySegment.copy(rows[i], 0, data, ValueLayout.JAVA_FLOAT, 4L * i * vocab, vocab);
            }
            byte[] before = data.toArray(ValueLayout.JAVA_BYTE);
            sampler.sample(new HostTensor(DType.F32, new long[] {rows.length, vocab}, data), batch);
            assertThat(data.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(before);
        }
    }

    private static SamplingBatch batch(int count) {
        SamplingBatch batch = new SamplingBatch(count);
        batch.count = count;
        Arrays.setAll(batch.row, i -> i);
        Arrays.fill(batch.topP, 1);
        Arrays.fill(batch.repetitionPenalty, 1);
        Arrays.fill(batch.logprobs, -1);
        return batch;
    }

    private float[][] normal(int rows, int vocab) {
        float[][] values = new float[rows][vocab];
        for (float[] row : values) {
            for (int j = 0; j < vocab; j++) {
                row[j] = (float) random.nextGaussian() * 2;
            }
        }
        return values;
    }

    private static int[] sorted(float[] values) {
        return IntStream.range(0, values.length)
                .boxed()
                .sorted((a, b) -> values[a] != values[b] ? Float.compare(values[b], values[a]) : Integer.compare(a, b))
                .mapToInt(Integer::intValue)
                .toArray();
    }

    private static double sum(float[] row) {
        double sum = 0;
        for (float value : row) {
            sum += Math.exp(value);
        }
        return sum;
    }

    /** The textbook way: sort everything, in float64. */
    private static double[] distribution(float[] logits, float temperature, int topK, float topP, float minP) {
        int vocab = logits.length;
        int[] order = sorted(logits);
        double[] weight = new double[vocab];
        double total = 0;
        for (int j = 0; j < vocab; j++) {
            double w = Math.exp((logits[order[j]] - logits[order[0]]) / (double) temperature);
            boolean kept = w >= minP && (topK == 0 || topK >= vocab || logits[order[j]] >= logits[order[topK - 1]]);
            weight[j] = kept ? w : 0;
            total += weight[j];
        }
        double before = 0;
        double mass = 0;
        for (int j = 0; j < vocab; j++) {
            double w = weight[j];
            weight[j] = before < topP * total || topP >= 1 ? w : 0;
            before += w;
            mass += weight[j];
        }
        double[] probability = new double[vocab];
        for (int j = 0; j < vocab; j++) {
            probability[order[j]] = weight[j] / mass;
        }
        return probability;
    }
}
