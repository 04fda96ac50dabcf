package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import dev.apus.models.Checkpoint;
import dev.apus.models.Decoder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A folder with nothing but a config.json: planned, loaded, served, and brought back after a fault of its device. */
class DummyModelTest {
    private static final int VOCAB = 320;

    @TempDir
    private Path folder;

    @BeforeEach
    void write() throws IOException {
        Files.writeString(folder.resolve("config.json"), """
                {"architectures": ["LlamaForCausalLM"], "vocab_size": %d, "hidden_size": 64, "intermediate_size": 96,
                 "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                 "max_position_embeddings": 256, "eos_token_id": 2}
                """.formatted(VOCAB));
    }

    private static EngineOptionsBuilder dummy() {
        return EngineOptions.builder().loadFormat(EngineOptions.LoadFormat.DUMMY);
    }

    @Test
    void isServedWithATokenPerByte() {
        try (LanguageModel model = LanguageModel.open(folder, dummy().build())) {
            SamplingParams params =
                    model.params().ignoreEos(true).maxTokens(9).temperature(0).build();
            Generation answer = model.complete("hello", params, List.of());
            assertThat(answer.text()).hasSize(9);
            assertThat(answer.promptTokens()).isEqualTo(5);
            assertThat(answer.generatedTokens()).isEqualTo(9);
            assertThat(model.served().vocabSize()).isEqualTo(VOCAB);
            assertThat(model.served().eosIds()).containsExactly(2);
            assertThatThrownBy(() -> model.chat("hello")).hasMessageContaining("no chat template");
        }
        assertThatThrownBy(() -> LanguageModel.open(folder, EngineOptions.defaults()))
                .hasMessageContaining("safetensors");
    }

    @Test
    void aFaultOfItsDeviceEndsTheEngine() {
        FakeDevice device = new FakeDevice(DType.F32).failingAfter(5);
        EngineOptions options = dummy().numKvBlocks(32).maxNumSeqs(4).build();
        try (LanguageModel model = LanguageModel.open(folder, device, options, "dummy")) {
            SamplingParams params =
                    model.params().ignoreEos(true).maxTokens(20).temperature(0).build();
            Generation lost = model.complete("hello", params, List.of());
            assertThatThrownBy(lost::text)
                    .isInstanceOfSatisfying(
                            GenerationException.class,
                            e -> assertThat(e.retryable()).isTrue())
                    .hasMessageContaining("an illegal address");
            model.served().engine().close();
            assertThat(model.served().engine().stats().alive()).isFalse();
        }
        assertThat(device.closed).isTrue();
    }

    @Test
    void thePlanFollowsTheBackend() {
        try (Checkpoint checkpoint = Checkpoint.openDummy(folder);
                Backend cpu = CpuBackend.create(new CpuOptions(CpuOptions.Provider.SCALAR, 1));
                Backend gpu = new FakeDevice(DType.BF16)) {
            long matrices = 2L * VOCAB * 64 + 2 * (128 * 64 + 64 * 64 + 3 * 96 * 64);
            long norms = 5 * 64;
            MemoryPlan onCpu = MemoryPlan.of(checkpoint, dummy().build(), cpu);
            // Dummy weights are BF16, and the CPU keeps what it gets.
            assertThat(onCpu.weightBytes()).isEqualTo(2 * matrices + 4 * norms);
            assertThat(onCpu.kv().dtype()).isEqualTo(DType.F32);
            assertThat(onCpu.kvBlocks()).isEqualTo(64 * 256 / EngineOptions.BLOCK_SIZE);

            // Heads of 16 elements: the CPU pads their values to 32.
            assertThat(onCpu.kvBlockBytes())
                    .isEqualTo(4 * 16 * 2 * 2 * (16 + 32))
                    .isEqualTo(cpu.kvBlockBytes(onCpu.kv()));
            assertThat(onCpu.kvBytes()).isEqualTo(onCpu.kvBlocks() * onCpu.kvBlockBytes());

            MemoryPlan plan =
                    MemoryPlan.of(checkpoint, dummy().gpuMemoryUtilization(0.5).build(), gpu);
            assertThat(plan.kv().dtype()).isEqualTo(DType.BF16);
            assertThat(plan.workspaceBytes())
                    .isEqualTo(Decoder.workspaceBytes(checkpoint.config(), DType.BF16, 8192, 256 + 64)
                            + 4 * 256 * 16
                            + (10L << 20));
            // All of the share but for less than one block.
            assertThat(plan.freeBytes()).isEqualTo(FakeDevice.MEMORY / 2 - FakeDevice.TAKEN);
            assertThat(plan.freeBytes() - plan.totalBytes())
                    .isBetween(0L, plan.kv().bytesPerBlock() - 1);
            MemoryPlan fp8 = MemoryPlan.of(
                    checkpoint, dummy().kvCacheDtype(EngineOptions.KvType.FP8).build(), gpu);
            assertThat(fp8.kv().bytesPerBlock()).isEqualTo(plan.kv().bytesPerBlock() / 2);
            assertThatThrownBy(() -> MemoryPlan.of(
                            checkpoint, dummy().numKvBlocks(4).maxModelLen(65).build(), gpu))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("max_model_len is 65, but the KV cache holds 64 tokens")
                    .hasMessageEndingWith("--gpu-memory-utilization");
            assertThatThrownBy(() -> MemoryPlan.of(
                            checkpoint, dummy().gpuMemoryUtilization(0.1).build(), gpu))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("--gpu-memory-utilization");
        }
    }

    @Test
    void optionsAreCheckedAndFilledInForTheBackend() {
        try (Backend cpu = CpuBackend.create(new CpuOptions(CpuOptions.Provider.SCALAR, 1));
                Backend gpu = new FakeDevice(DType.BF16)) {
            EngineOptions onCpu = EngineOptions.defaults().forBackend(cpu);
            assertThat(onCpu.maxNumSeqs()).isEqualTo(64);
            assertThat(onCpu.maxNumBatchedTokens()).isEqualTo(512);
            EngineOptions onGpu = EngineOptions.defaults().forBackend(gpu);
            assertThat(onGpu.maxNumSeqs()).isEqualTo(256);
            assertThat(onGpu.maxNumBatchedTokens()).isEqualTo(8192);
            EngineOptionsBuilder serving = EngineOptions.builder().serving(true);
            assertThat(limits(serving.build(), gpu)).containsExactly(256, 768);
            assertThat(limits(serving.build(), cpu)).containsExactly(64, 512);
            assertThat(limits(serving.maxNumSeqs(1000).build(), gpu)).containsExactly(1000, 1000);
            assertThat(limits(serving.maxNumBatchedTokens(4096).build(), gpu)).containsExactly(1000, 4096);
            assertThat(limits(EngineOptions.builder().maxNumSeqs(1000).build(), cpu))
                    .containsExactly(1000, 1000);
            assertThat(limits(EngineOptions.builder().maxNumBatchedTokens(20).build(), cpu))
                    .containsExactly(20, 20);
            EngineOptions bf16 = EngineOptions.builder()
                    .dtype(EngineOptions.ComputeType.BFLOAT16)
                    .build();
            assertThat(bf16.forBackend(gpu).dtype()).isEqualTo(EngineOptions.ComputeType.BFLOAT16);
            assertThatThrownBy(() -> bf16.forBackend(cpu))
                    .hasMessage("--dtype bfloat16: this cpu backend computes in float32; use auto or that");
            EngineOptions fp8 = EngineOptions.builder()
                    .kvCacheDtype(EngineOptions.KvType.FP8)
                    .build();
            assertThatThrownBy(() -> fp8.forBackend(cpu))
                    .hasMessage("--kv-cache-dtype fp8: the cpu backend stores keys and values as [float32];"
                            + " use auto or one of these");
        }
        assertThatThrownBy(() -> EngineOptions.builder()
                        .maxNumSeqs(9)
                        .maxNumBatchedTokens(8)
                        .build())
                .hasMessageContaining("max_num_batched_tokens is 8");
        assertThatThrownBy(
                        () -> EngineOptions.builder().gpuMemoryUtilization(1.5).build())
                .hasMessageContaining("gpu_memory_utilization is 1.5");
        assertThatThrownBy(() -> new LocalEngine(new FakeRunner(4), EngineOptions.defaults(), 4, 64, List.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("forBackend");
    }

    private static List<Integer> limits(EngineOptions options, Backend backend) {
        EngineOptions filled = Objects.requireNonNull(options.forBackend(backend));
        return List.of(filled.maxNumSeqs(), filled.maxNumBatchedTokens());
    }
}
