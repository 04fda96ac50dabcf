package dev.apus.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CpuPoolTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 7})
    void runsEveryPartOnceAndReturnsAfterTheLast(int threads) {
        try (CpuPool pool = new CpuPool(threads)) {
            for (int round = 0; round < 2000; round++) {
                int parts = 1 + round % 17;
                AtomicIntegerArray hits = new AtomicIntegerArray(parts);
                pool.run(
                        (part, count, thread) -> {
                            assertThat(count).isEqualTo(parts);
                            assertThat(thread).isBetween(0, threads - 1);
                            hits.incrementAndGet(part);
                        },
                        parts);
                for (int i = 0; i < parts; i++) {
                    assertThat(hits.get(i)).isEqualTo(1);
                }
            }
        }
    }

    @Test
    void wakesParkedWorkers() throws InterruptedException {
        try (CpuPool pool = new CpuPool(3)) {
            for (int round = 0; round < 20; round++) {
                Thread.sleep(2);
                int[] sums = new int[9];
                pool.run((part, parts, thread) -> sums[part] = part, 9);
                assertThat(sums).containsExactly(0, 1, 2, 3, 4, 5, 6, 7, 8);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void rethrowsTheFirstFailureAndStaysUsable(int threads) {
        try (CpuPool pool = new CpuPool(threads)) {
            for (int round = 0; round < 50; round++) {
                assertThatThrownBy(() -> pool.run(
                                (part, parts, thread) -> {
                                    throw new IllegalArgumentException("part " + part);
                                },
                                6))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageStartingWith("part ");
                int[] sums = new int[6];
                pool.run((part, parts, thread) -> sums[part] = 1, 6);
                assertThat(sums).containsOnly(1);
            }
        }
    }

    @Test
    void refusesNestedRunsAndRunsAfterClose() {
        CpuPool pool = new CpuPool(2);
        assertThatThrownBy(() -> pool.run((part, parts, thread) -> pool.run((a, b, c) -> {}, 2), 2))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("already running");
        pool.close();
        assertThatThrownBy(() -> pool.run((part, parts, thread) -> {}, 2)).hasMessageContaining("closed");
        assertThatThrownBy(() -> new CpuPool(0)).hasMessageContaining("at least 1");
    }

    @Test
    void splitsItemsInWholeMultiples() {
        int[] starts = new int[4];
        for (int part = 0; part <= 3; part++) {
            starts[part] = CpuPool.start(part, 3, 100, 16);
        }
        assertThat(starts).containsExactly(0, 32, 64, 100);
    }
}
