package dev.apus.models;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Hidden states of whole sequences, pooled, agree with transformers though all layers share one layer's cache. */
final class DecoderStatesTest {
    static Stream<String> models() {
        return Stream.of("llama", "qwen3", "gemma2", "gpt2", "phi3");
    }

    private static float[] floats(Object list) {
        List<?> values = (List<?>) list;
        float[] out = new float[values.size()];
        for (int i = 0; i < out.length; i++) {
            out[i] = ((Number) values.get(i)).floatValue();
        }
        return out;
    }

    @ParameterizedTest
    @MethodSource("models")
    void agreeWithTransformers(String name) {
        List<?> cases = (List<?>) Objects.requireNonNull(new JsonFiles()
                .object(EncoderGoldenTest.folder("decoders.json"))
                .get(name));
        try (Checkpoint checkpoint = Checkpoint.open(GoldenTest.folder(name));
                Backend backend = CpuBackend.create(new CpuOptions(CpuOptions.Provider.AUTO, 2))) {
            Decoder decoder = Decoder.load(checkpoint.config(), checkpoint.weights(), backend, 64, 1, 64);
            KvLayout all = decoder.kvLayout(16, DType.F32);
            KvCache one = backend.kvCache(new KvLayout(1, all.kvHeads(), all.headDim(), 16, DType.F32), 6);
            StepBatch batch = new StepBatch(64, 3, 16);
            int block = 0;
            for (Object item : cases) {
                int[] ids = ((List<?>) Objects.requireNonNull(((Map<?, ?>) item).get("ids")))
                        .stream().mapToInt(id -> ((Number) id).intValue()).toArray();
                int count = (ids.length + 15) / 16;
                int[] table = new int[count];
                for (int b = 0; b < count; b++) {
                    table[b] = block++;
                }
                batch.addSequence(ids, 0, ids.length, table, count, ids.length, decoder.ropeOffset(ids.length));
            }
            Tensor states = decoder.states(batch, one);
            int hidden = checkpoint.config().hidden();
            for (int i = 0; i < cases.size(); i++) {
                Map<?, ?> golden = (Map<?, ?>) cases.get(i);
                int tokens = batch.queryStart[i + 1] - batch.queryStart[i];
                float[] rows = new float[tokens * hidden];
                backend.read(states, batch.queryStart[i], tokens, rows);
                for (String pooling : List.of("last", "mean")) {
                    assertThat(Pooling.of(pooling).pool(rows, tokens, hidden))
                            .containsExactly(floats(Objects.requireNonNull(golden.get(pooling))), Offset.offset(1e-3f));
                }
            }
        }
    }
}
