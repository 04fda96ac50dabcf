package dev.apus.kernels.cpu;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.Backend;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
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
