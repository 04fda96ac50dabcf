package dev.apus.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Vector attention against the oracle, and both against themselves under other batches, chunks, blocks and thread counts. */
public class AttentionConformanceTest {
    public static List<AttentionHarness.Case> cases() {
        int[][] geometries = {
            // heads, kv heads, head dim, rotary dim
            {9, 3, 64, 64},
            {4, 4, 80, 32},
            {8, 2, 96, 96},
            {7, 1, 128, 128},
            {2, 1, 256, 256},
            {5, 5, 8, 8},
            {6, 2, 20, 10},
            {49, 1, 16, 16},
            {12, 4, 33, 0}
        };
        List<AttentionHarness.Case> cases = new ArrayList<>();
        Random random = new Random(1);
        for (int i = 0; i < geometries.length; i++) {
            int[] g = geometries[i];
            int window = i % 3 == 1 ? 20 : i % 3 == 2 ? 65 : 0;
            float cap = i % 2 == 1 ? 5 : 0;
            AttentionShape shape = new AttentionShape(g[0], g[1], g[2], (float) (1 / Math.sqrt(g[2])), window, cap);
            int[] lengths = {1 + random.nextInt(20), 100 + random.nextInt(150), 16, 64 + i, 1};
            cases.add(new AttentionHarness.Case(shape, lengths, g[3], i % 4 == 2, i % 2 == 0, 100 + i));
        }
        return cases;
    }

    /** Shapes of encoders, whose sequences are whole and unrotated. */
    public static List<AttentionHarness.Case> encoders() {
        int[][] geometries = {{12, 12, 32}, {4, 4, 64}, {3, 1, 20}, {2, 2, 8}};
        List<AttentionHarness.Case> cases = new ArrayList<>();
        for (int i = 0; i < geometries.length; i++) {
            int[] g = geometries[i];
            float scale = (float) (1 / Math.sqrt(g[2]));
            AttentionShape shape = new AttentionShape(g[0], g[1], g[2], scale, 0, i == 2 ? 5 : 0, true);
            int[] lengths = {1, 130 + i, 16, 64, 65, 2, 49};
            cases.add(new AttentionHarness.Case(shape, lengths, 0, false, false, 300 + i));
        }
        return cases;
    }

    @ParameterizedTest
    @MethodSource("encoders")
    void everyQuerySeesAllKeysWhereAttentionIsBidirectional(AttentionHarness.Case given) {
        AttentionHarness harness = new AttentionHarness(given);
        float[][] oracle = run(harness, CpuOptions.Provider.SCALAR, 1, 0);
        float[][] vector = run(harness, CpuOptions.Provider.VECTOR, 2, 0);
        float[][] together = run(harness, CpuOptions.Provider.VECTOR, 2, 7);
        AttentionShape shape = given.shape();
        AttentionShape causal =
                new AttentionShape(shape.heads(), shape.kvHeads(), shape.headDim(), shape.scale(), 0, shape.softCap());
        float[][] onlyBack = run(
                new AttentionHarness(new AttentionHarness.Case(causal, given.lengths(), 0, false, false, given.seed())),
                CpuOptions.Provider.SCALAR,
                1,
                0);
        int width = shape.heads() * shape.headDim();
        for (int s = 0; s < oracle.length; s++) {
            Floats.assertClose(vector[s], oracle[s], 2e-5);
            Floats.assertSameBits(together[s], vector[s]);
            // The last position has all keys before it either way, the first one does not.
            int last = (given.lengths()[s] - 1) * width;
            Floats.assertSameBits(
                    Arrays.copyOfRange(oracle[s], last, last + width),
                    Arrays.copyOfRange(onlyBack[s], last, last + width));
            if (given.lengths()[s] > 1) {
                assertThat(Arrays.copyOf(oracle[s], width)).isNotEqualTo(Arrays.copyOf(onlyBack[s], width));
            }
        }
    }

    @Test
    void refusesPartsOfSequencesWhereAttentionIsBidirectional() {
        AttentionShape shape = new AttentionShape(2, 2, 8, 1, 0, 0, true);
        for (CpuOptions.Provider provider : List.of(CpuOptions.Provider.SCALAR, CpuOptions.Provider.VECTOR)) {
            try (Backend backend = CpuBackend.create(new CpuOptions(provider, 1))) {
                KvCache cache = backend.kvCache(new KvLayout(1, 2, 8, 16, DType.F32), 1);
                StepBatch batch = new StepBatch(8, 1, 16);
                batch.addSequence(new int[8], 4, 4, new int[] {0}, 1, 4);
                Tensor qkv = backend.allocate(DType.F32, 8, 48);
                Tensor out = backend.allocate(DType.F32, 8, 16);
                assertThatThrownBy(() -> backend.kernels().attention(out, qkv, shape, cache, 0, batch))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("has 8 tokens, 4 of them in this step");
            }
        }
        assertThatThrownBy(() -> new AttentionShape(2, 2, 8, 1, 4, 0, true)).hasMessageContaining("slidingWindow is 4");
    }

    private static float[][] run(AttentionHarness harness, CpuOptions.Provider provider, int threads, long plan) {
        try (Backend backend = CpuBackend.create(new CpuOptions(provider, threads))) {
            return harness.run(backend, plan == 0 ? null : new Random(plan));
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void agreesWithTheOracle(AttentionHarness.Case given) {
        AttentionHarness harness = new AttentionHarness(given);
        float[][] oracle = run(harness, CpuOptions.Provider.SCALAR, 1, 0);
        float[][] vector = run(harness, CpuOptions.Provider.VECTOR, 2, 0);
        for (int s = 0; s < oracle.length; s++) {
            Floats.assertClose(vector[s], oracle[s], 2e-5);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void hasTheSameBitsHoweverItIsBatched(AttentionHarness.Case given) {
        AttentionHarness harness = new AttentionHarness(given);
        for (CpuOptions.Provider provider : List.of(CpuOptions.Provider.SCALAR, CpuOptions.Provider.VECTOR)) {
            float[][] alone = run(harness, provider, 1, 0);
            for (int plan = 1; plan <= 3; plan++) {
                float[][] mixed = run(harness, provider, plan, plan);
                for (int s = 0; s < alone.length; s++) {
                    Floats.assertSameBits(mixed[s], alone[s]);
                }
            }
        }
    }
}
