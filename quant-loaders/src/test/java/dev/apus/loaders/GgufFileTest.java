package dev.apus.loaders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.quant.Dequantizer;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@link GgufFile} reads from sound files; every-type.gguf and .f32 are made by src/test/scripts/make_gguf_fixture.py. */
class GgufFileTest {
    private static final List<DType> TYPES = List.of(
            DType.F32,
            DType.F16,
            DType.Q4_0,
            DType.Q4_1,
            DType.Q5_0,
            DType.Q5_1,
            DType.Q8_0,
            DType.BF16,
            DType.Q2_K,
            DType.Q3_K,
            DType.Q4_K,
            DType.Q5_K,
            DType.Q6_K,
            DType.IQ4_NL,
            DType.IQ4_XS);

    @TempDir
    @SuppressWarnings("NullAway.Init") // set by JUnit
    private Path folder;

    private GgufFile openFixture(String name) {
        return GgufFile.open(GgufBytes.write(folder, name, Resources.bytes(name)));
    }

    @Test
    void everyTypeHasTheValuesThatGgufPyDecodes() {
        ByteBuffer expected = ByteBuffer.wrap(Resources.bytes("every-type.f32")).order(ByteOrder.LITTLE_ENDIAN);
        try (GgufFile file = openFixture("every-type.gguf")) {
            for (DType type : TYPES) {
                HostTensor tensor = file.tensor(type + ".weight");
                assertThat(tensor.dtype()).isEqualTo(type);
                assertThat(tensor.shape()).containsExactly(2, 512);
                float[] values = new float[1024];
                Dequantizer.dequantize(type, tensor.data(), 0, values, 0, values.length);
                float[] want = new float[1024];
                expected.asFloatBuffer().get(want);
                expected.position(expected.position() + 4096);
                assertThat(values).as("%s", type).containsExactly(want);
            }
        }
        assertThat(expected.hasRemaining()).isFalse();
    }

    @Test
    void listsTensorsInFileOrderWithExtentsReversed() {
        try (GgufFile file = openFixture("every-type.gguf")) {
            List<String> names = new ArrayList<>();
            TYPES.forEach(type -> names.add(type + ".weight"));
            names.addAll(List.of("cube", "ints", "IQ2_XXS.weight"));
            assertThat(file.names()).containsExactlyElementsOf(names);
            assertThat(file.contains("cube")).isTrue();
            HostTensor cube = file.tensor("cube");
            assertThat(cube.shape()).containsExactly(2, 3, 4);
            assertThat(cube.data().getAtIndex(ValueLayout.JAVA_FLOAT, 23)).isEqualTo(23f);
            assertThat(file.tensor("ints").dtype()).isEqualTo(DType.I32);
            assertThat(file.description()).endsWith("every-type.gguf");
            long bytes = file.names().stream()
                    .filter(name -> !name.startsWith("IQ2_XXS"))
                    .mapToLong(name -> file.tensor(name).data().byteSize())
                    .sum();
            assertThat(file.byteSize()).isEqualTo(bytes + 4 * 66);
        }
    }

    @Test
    void readsEveryKindOfMetadata() {
        GgufFile file = openFixture("every-type.gguf");
        file.close();
        assertThat(file.metadata())
                .containsEntry("general.architecture", "llama")
                .containsEntry("test.u8", 200)
                .containsEntry("test.i8", -100)
                .containsEntry("test.u16", 60000)
                .containsEntry("test.i16", -30000)
                .containsEntry("test.u32", 4000000000L)
                .containsEntry("test.i32", -2000000000)
                .containsEntry("test.u64", Long.MAX_VALUE)
                .containsEntry("test.i64", Long.MIN_VALUE)
                .containsEntry("test.f32", 0.5f)
                .containsEntry("test.f64", 0.1)
                .containsEntry("test.bool", true)
                .containsEntry("test.string", "größe 🦅 \ufffd")
                .containsEntry("test.strings", List.of("a", "", "ß", "<|im_end|>"))
                .containsEntry("test.floats", List.of(0.25f, -1.5f))
                .containsEntry("test.ints", List.of(3, -1, 7))
                .containsEntry("test.bools", List.of(true, false));
        assertThatThrownBy(() -> file.metadata().put("x", 1)).isInstanceOf(UnsupportedOperationException.class);
    }

    @Test
    void readsAFileThatLlamaCppQuantised() {
        try (GgufFile file = openFixture("llama-Q2_K.gguf")) {
            assertThat(file.metadata()).containsEntry("general.architecture", "llama");
            assertThat((List<?>) file.metadata().get("tokenizer.ggml.tokens")).isNotEmpty();
            Set<DType> types = Set.of(DType.F32, DType.Q2_K, DType.Q3_K, DType.Q6_K, DType.Q4_K);
            assertThat(file.names())
                    .allSatisfy(
                            name -> assertThat(types).contains(file.tensor(name).dtype()));
            assertThat(file.tensor("blk.0.attn_q.weight").rank()).isEqualTo(2);
        }
    }

    @Test
    void readsVersion2AndOtherAlignments() {
        Path path = new GgufBytes()
                .bytes("GGUF")
                .int32(2)
                .int64(1)
                .int64(1)
                .key("general.alignment", 64)
                .tensor("a", GgufBytes.F32, 0)
                .data(64)
                .write(folder);
        try (GgufFile file = GgufFile.open(path)) {
            assertThat(file.tensor("a").rank()).isZero();
            assertThat(file.tensor("a").elements()).isEqualTo(1);
        }
    }

    @Test
    void aFileWithoutTensorsMayEndBehindItsHeader() {
        try (GgufFile file = GgufFile.open(
                GgufBytes.header(0, 1).key("general.type", "vocab").write(folder))) {
            assertThat(file.names()).isEmpty();
            assertThat(file.byteSize()).isZero();
        }
    }

    @Test
    void anEmptyTensorTakesNoBytes() {
        try (GgufFile file = GgufFile.open(
                GgufBytes.header(1, 0).tensor("none", GgufBytes.F32, 0, 0, 4).write(folder))) {
            assertThat(file.tensor("none").data().byteSize()).isZero();
        }
    }

    @Test
    void unknownNamesAndUnsupportedTypesAreNamed() {
        try (GgufFile file = openFixture("every-type.gguf")) {
            assertThatThrownBy(() -> file.tensor("Q4_0.weigth"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContainingAll("every-type.gguf", "no tensor 'Q4_0.weigth'", "'Q4_0.weight'");
            assertThatThrownBy(() -> file.tensor("output.something.else.entirely"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("has 18 tensors");
            assertThatThrownBy(() -> file.tensor("IQ2_XXS.weight"))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContainingAll("'IQ2_XXS.weight'", "type IQ2_XXS", "not supported", "IQ4_XS");
        }
    }

    @Test
    void closedFilesFailClearly() {
        GgufFile file = openFixture("every-type.gguf");
        HostTensor early = file.tensor("cube");
        file.close();
        file.close();
        assertThatThrownBy(() -> file.tensor("cube"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContainingAll("every-type.gguf", "is closed");
        assertThatThrownBy(() -> early.data().get(ValueLayout.JAVA_FLOAT, 0)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void manyThreadsReadOneFile() throws Exception {
        try (GgufFile file = openFixture("every-type.gguf");
                ExecutorService threads = Executors.newFixedThreadPool(8)) {
            Callable<Long> sum = () -> {
                long total = 0;
                for (DType type : TYPES) {
                    for (byte b : file.tensor(type + ".weight").data().toArray(ValueLayout.JAVA_BYTE)) {
                        total += b;
                    }
                }
                return total;
            };
            long expected = sum.call();
            for (Future<Long> result : threads.invokeAll(Collections.nCopies(32, sum))) {
                assertThat(result.get()).isEqualTo(expected);
            }
        }
    }
}
