package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.Backend;
import dev.apus.scheduler.EngineOptions;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class EngineArgsTest {
    private static EngineArgs parse(String... args) {
        EngineArgs engine = new EngineArgs();
        new CommandLine(new Host(engine))
                .setCaseInsensitiveEnumValuesAllowed(true)
                .parseArgs(args);
        return engine;
    }

    @CommandLine.Command
    private record Host(@CommandLine.Mixin EngineArgs engine) {}

    @Test
    void leavesLimitsToTheBackendUnlessTheyAreGiven() {
        EngineOptions unset = parse().options();
        assertThat(unset).isEqualTo(EngineOptions.defaults());
        assertThat(parse().servingOptions())
                .isEqualTo(EngineOptions.builder().serving(true).build());
        EngineOptions set = parse(
                        "--max-num-seqs=8",
                        "--max-num-batched-tokens=99",
                        "--dtype=float32",
                        "--kv-cache-dtype=fp8",
                        "--gpu-memory-utilization=0.5",
                        "--enforce-eager",
                        "--load-format=dummy")
                .options();
        assertThat(set.maxNumSeqs()).isEqualTo(8);
        assertThat(set.maxNumBatchedTokens()).isEqualTo(99);
        assertThat(set.dtype()).isEqualTo(EngineOptions.ComputeType.FLOAT32);
        assertThat(set.kvCacheDtype()).isEqualTo(EngineOptions.KvType.FP8);
        assertThat(set.gpuMemoryUtilization()).isEqualTo(0.5);
        assertThat(set.enforceEager()).isTrue();
        assertThat(set.loadFormat()).isEqualTo(EngineOptions.LoadFormat.DUMMY);
    }

    @Test
    void recordedStepsHaveNoMoreRowsThanAStepHasTokens() {
        assertThat(parse().cudaOptions().graphSequences()).isEqualTo(256);
        assertThat(parse("--max-num-batched-tokens=100").cudaOptions().graphSequences())
                .isEqualTo(100);
        assertThat(parse("--max-num-seqs=8").cudaOptions().graphSequences()).isEqualTo(8);
        assertThat(parse("--enforce-eager").cudaOptions().graphSequences()).isZero();
    }

    @Test
    void theLimitsOfTheQueueHaveVllmsNames() {
        EngineOptions set = parse("--max-waiting=7", "--max-num-queued-reqs=9", "--max-num-queued-tokens=5000000000")
                .options();
        assertThat(set.maxWaiting()).isEqualTo(7);
        assertThat(set.maxNumQueuedReqs()).isEqualTo(9);
        assertThat(set.maxNumQueuedTokens()).isEqualTo(5_000_000_000L);
        assertThatThrownBy(() -> parse("--max-num-queued-tokens=-1").options())
                .hasMessage("max_num_queued_tokens is -1, must be 0 (no limit) or more");
        assertThatThrownBy(() -> parse("--max-num-queued-reqs=-1").options())
                .hasMessage("max_num_queued_reqs is -1, must be 0 (no limit of its own) or more");
    }

    @Test
    void whatACpuCannotDoIsRefused() {
        EngineArgs share = parse("--gpu-memory-utilization=0.5");
        assertThatThrownBy(share::openBackend)
                .isInstanceOf(UserException.class)
                .hasMessageContaining("--gpu-memory-utilization");
        EngineArgs half = parse("--dtype=bfloat16");
        try (Backend backend = half.openBackend()) {
            assertThatThrownBy(() -> half.options().forBackend(backend))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("--dtype bfloat16");
        }
    }
}
