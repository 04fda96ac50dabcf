package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SeedsTest {
    @Test
    void theBaseFixesTheSequence() {
        Seeds one = new Seeds(7);
        Seeds same = new Seeds(7);
        for (int i = 0; i < 100; i++) {
            assertThat(one.next()).isEqualTo(same.next());
        }
    }

    @Test
    void seedsOfNeighbouringBasesDiffer() {
        Set<Long> all = new HashSet<>();
        for (long base = -50; base < 50; base++) {
            Seeds seeds = new Seeds(base);
            for (int i = 0; i < 100; i++) {
                all.add(seeds.next());
            }
        }
        assertThat(all).hasSize(10_000);
    }
}
