package dev.apus.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import dev.apus.loaders.CheckpointException;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DummyWeightsTest {
    /** Where the build puts them: some families share one file of weights in the sources. */
    private static final Path GOLDEN = GoldenTest.folder("");

    private static final int TOKENS = 20;

    @TempDir
    private Path folder;

    private final Backend backend = CpuBackend.create(new CpuOptions(CpuOptions.Provider.SCALAR, 1));

    @org.junit.jupiter.api.AfterEach
    void close() {
        backend.close();
    }

    private Checkpoint dummy(String family) throws IOException {
        Files.copy(GOLDEN.resolve(family).resolve("config.json"), folder.resolve("config.json"));
        return Checkpoint.openDummy(folder);
    }

    /** A configuration alone makes a model of the size that its checkpoint has, and it runs. */
    @ParameterizedTest
    @ValueSource(strings = {"gemma2", "llama", "llama3-rope", "mistral", "phi3", "qwen2", "qwen3", "qwen3-moe"})
    void hasTheCheckpointsShapesAndRuns(String family) throws IOException {
        try (Checkpoint dummy = dummy(family);
                Checkpoint real = Checkpoint.open(GOLDEN.resolve(family))) {
            assertThat(parameters(dummy)).isEqualTo(parameters(real));
            assertFinite(dummy);
        }
    }

    /** Weights stored transposed; the biases of its norms are left out. */
    @Test
    void runsGpt2() throws IOException {
        try (Checkpoint dummy = dummy("gpt2");
                Checkpoint real = Checkpoint.open(GOLDEN.resolve("gpt2"))) {
            long norms = 1 + 2L * real.config().layers().size();
            assertThat(parameters(dummy))
                    .isEqualTo(parameters(real) - norms * real.config().hidden());
            assertFinite(dummy);
        }
    }

    /** A shared expert, whose switch is a vector in some files. */
    @Test
    void runsASharedExpert() {
        Map<String, Object> keys = new HashMap<>();
        keys.put("architectures", List.of("Qwen2MoeForCausalLM"));
        for (String key : List.of("hidden_size", "intermediate_size", "shared_expert_intermediate_size")) {
            keys.put(key, 64);
        }
        keys.put("vocab_size", 100);
        keys.put("num_hidden_layers", 2);
        keys.put("num_attention_heads", 4);
        keys.put("num_key_value_heads", 2);
        keys.put("max_position_embeddings", 128);
        keys.put("moe_intermediate_size", 32);
        keys.put("num_experts", 4);
        keys.put("num_experts_per_tok", 2);
        DecoderConfig config = ConfigFiles.config(new ConfigReader("config.json", keys, Map.of()));
        try (DummyWeights weights = new DummyWeights(config, "test")) {
            assertThat(Decoder.weightSize(config, weights, backend).parameters())
                    .isEqualTo(2 * 100 * 64
                            + 64
                            // norms; q, k, v with biases, o; router, experts, shared expert and its switch
                            + 2 * (2 * 64 + 128 * 64 + 128 + 64 * 64 + 4 * 64 + 4 * 96 * 64 + 192 * 64 + 64));
            assertFinite(config, weights);
        }
    }

    @Test
    void tensorsAreSlicesOfOneSegmentInAnyShape() throws IOException {
        try (Checkpoint dummy = dummy("llama")) {
            HostTensor large = dummy.weights().tensor("a.weight", new long[] {300, 64});
            HostTensor small = dummy.weights().tensor("b.weight", new long[] {3, 64});
            assertThat(Math.abs(small.data().address() - large.data().address()))
                    .isLessThan(1 << 16);
            for (long i = 0; i < large.elements(); i++) {
                float value = Float.intBitsToFloat(large.data().getAtIndex(ValueLayout.JAVA_SHORT, i) << 16);
                assertThat(Math.abs(value)).isLessThanOrEqualTo(1e-3f);
            }
            HostTensor norm = dummy.weights().tensor("n.weight", new long[] {5});
            assertThat(Float.intBitsToFloat(norm.data().getAtIndex(ValueLayout.JAVA_SHORT, 4) << 16))
                    .isEqualTo(1);
            assertThatThrownBy(() -> dummy.weights().tensor("a.weight"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("no shape of its own");
        }
    }

    @Test
    void needsAConfiguration() {
        assertThatThrownBy(() -> Checkpoint.openDummy(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("no config.json");
    }

    private long parameters(Checkpoint checkpoint) {
        return Decoder.weightSize(checkpoint.config(), checkpoint.weights(), backend)
                .parameters();
    }

    private void assertFinite(Checkpoint checkpoint) {
        assertFinite(checkpoint.config(), checkpoint.weights());
    }

    private void assertFinite(DecoderConfig config, dev.apus.loaders.WeightSource weights) {
        long free = Decoder.weightSize(config, weights, backend).bytes();
        assertThat(free).isPositive();
        Decoder decoder = Decoder.load(config, weights, backend, TOKENS, TOKENS, 32);
        KvCache cache = backend.kvCache(decoder.kvLayout(16, DType.F32), 2);
        StepBatch batch = new StepBatch(TOKENS, 1, 16);
        batch.addSequence(new int[TOKENS], 0, TOKENS, new int[] {1, 0}, 2, 0);
        Tensor logits = decoder.forward(batch, cache);
        float[] row = new float[decoder.vocabSize()];
        for (int i = 0; i < TOKENS; i++) {
            backend.read(logits, i, 1, row);
            for (float value : row) {
                assertThat(value).isFinite();
            }
        }
    }
}
