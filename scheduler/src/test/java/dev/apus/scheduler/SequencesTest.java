package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.kvcache.BlockHasher;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SequencesTest {
    /** A prompt that was preempted after 150 of its tokens had been scored, and is computed anew in chunks of 64. */
    @Test
    void aChunkThatIsScoredAlreadyWantsNoLogits() {
        SamplingParams params =
                new SamplingParams(0, 0, 1, 0, 1, 0, 0, 0, 1, 0, true, Set.of(), Map.of(), List.of(), 0, 0);
        Request request = new Request("r", LocalEngineTest.prompt(1, 200), params, 0, "", 0);
        Submission submission = new Submission(request, new Recorder(), FakeRunner.VOCAB, 1000, List.of());
        Sequences sequences = new Sequences();
        int row = sequences.add(
                submission,
                new TenantQueue(Tenant.DEFAULT, sequences),
                BlockHasher.withRandomKey(EngineOptions.BLOCK_SIZE).chain(0, 0, 0, ""));
        assertThat(sequences.logitsFrom(row, 64)).isZero();
        sequences.promptScored[row] = 150;
        assertThat(sequences.logitsFrom(row, 64)).isEqualTo(64);
        sequences.startAt(row, 64);
        assertThat(sequences.logitsFrom(row, 64)).isEqualTo(128);
        sequences.startAt(row, 128);
        assertThat(sequences.logitsFrom(row, 64)).isEqualTo(149);
        sequences.startAt(row, 192);
        assertThat(sequences.logitsFrom(row, 8)).isEqualTo(192);
    }
}
