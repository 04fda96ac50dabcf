package dev.apus.loaders;

import static dev.apus.loaders.SafetensorsBytes.entry;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@link Safetensors} reads from sound files, single and sharded. */
class SafetensorsTest {
    @TempDir
    @SuppressWarnings("NullAway.Init") // set by JUnit
    private Path folder;

    private Path write(String name, String header, int dataBytes) {
        return GgufBytes.write(folder, name, SafetensorsBytes.of(header, dataBytes));
    }

    @Test
    void readsShapesTypesAndBytesInAnyOrder() {
        Path path = write(
                "model.safetensors",
                "{\"__metadata__\":{\"format\":\"pt\"}," + entry("b", "F32", "[2,3]", 8, 32) + ","
                        + entry("a", "BF16", "[4]", 0, 8) + "," + entry("scalar", "F16", "[]", 32, 34) + ","
                        + entry("none", "F32", "[0,7]", 34, 34) + "}     ",
                34);
        try (Safetensors file = Safetensors.open(path)) {
            assertThat(file.names()).containsExactly("b", "a", "scalar", "none");
            assertThat(file.metadata()).containsEntry("format", "pt");
            assertThat(file.byteSize()).isEqualTo(34);
            assertThat(file.description()).isEqualTo(path.toString());
            assertThat(file.files()).containsExactly(path);
            HostTensor b = file.tensor("b");
            assertThat(b.dtype()).isEqualTo(DType.F32);
            assertThat(b.shape()).containsExactly(2, 3);
            assertThat(b.data().toArray(ValueLayout.JAVA_BYTE))
                    .startsWith(8, 9, 10)
                    .endsWith(31);
            assertThat(file.tensor("a").dtype()).isEqualTo(DType.BF16);
            assertThat(file.tensor("scalar").rank()).isZero();
            assertThat(file.tensor("none").data().byteSize()).isZero();
        }
    }

    @Test
    void knowsEveryDtypeAndRefusesThoseItCannotRead() {
        StringBuilder header = new StringBuilder("{");
        String[] readable = {
            "F64", "I64", "U64", "F32", "I32", "U32", "F16", "BF16", "I16", "U16", "I8", "U8", "BOOL", "F8_E4M3",
            "F8_E5M2", "F8_E8M0"
        };
        int at = 0;
        for (String dtype : readable) {
            int bytes = DType.valueOf(dtype).blockBytes() * 2;
            header.append(entry(dtype, dtype, "[2]", at, at + bytes)).append(',');
            at += bytes;
        }
        header.append(entry("F4", "F4", "[2]", at, at + 1)).append(',');
        header.append(entry("F6", "F6_E2M3", "[4]", at + 1, at + 4)).append(',');
        header.append(entry("C64", "C64", "[1]", at + 4, at + 12)).append('}');
        try (Safetensors file = Safetensors.open(write("x.safetensors", header.toString(), at + 12))) {
            for (String dtype : readable) {
                assertThat(file.tensor(dtype).dtype()).isEqualTo(DType.valueOf(dtype));
                assertThat(file.tensor(dtype).elements()).isEqualTo(2);
            }
            for (String other : new String[] {"F4", "F6", "C64"}) {
                assertThatThrownBy(() -> file.tensor(other))
                        .isInstanceOf(CheckpointException.class)
                        .hasMessageContainingAll("x.safetensors", "'" + other + "'", "not supported", "BF16");
            }
        }
    }

    @Test
    void aTensorAtAnOddAddressIsCopiedToAnAlignedOne() {
        String header = "{" + entry("bytes", "U8", "[3]", 0, 3) + "," + entry("w", "F32", "[2]", 3, 11) + "}";
        try (Safetensors file = Safetensors.open(write("odd.safetensors", header, 11))) {
            HostTensor w = file.tensor("w");
            assertThat(w.data().address() % 4).isZero();
            assertThat(w.data().toArray(ValueLayout.JAVA_BYTE)).containsExactly(3, 4, 5, 6, 7, 8, 9, 10);
            assertThat(file.tensor("w").data().address()).isEqualTo(w.data().address());
            assertThat(w.data().isReadOnly()).isTrue();
        }
    }

    @Test
    void readsEscapedAndUnicodeNames() {
        String header = "{" + entry("gr\\u00f6\\u00dfe \uD83E\uDD85", "U8", "[1]", 0, 1) + "}";
        try (Safetensors file = Safetensors.open(write("u.safetensors", header, 1))) {
            assertThat(file.names()).containsExactly("größe 🦅");
        }
    }

    @Test
    void readsShardsThroughTheIndex() throws IOException {
        write("model-00001-of-00002.safetensors", "{" + entry("a", "F32", "[1]", 0, 4) + "}", 4);
        write("model-00002-of-00002.safetensors", "{" + entry("b", "U8", "[2,2]", 0, 4) + "}", 4);
        Path index = folder.resolve("model.safetensors.index.json");
        Files.writeString(index, """
                {"metadata": {"total_size": 8, "deep": [[1], {"x": null}]},
                 "weight_map": {"b": "model-00002-of-00002.safetensors", "a": "model-00001-of-00002.safetensors"}}""");
        for (Path path : new Path[] {folder, index}) {
            try (Safetensors file = Safetensors.open(path)) {
                assertThat(file.names()).containsExactly("b", "a");
                assertThat(file.tensor("b").shape()).containsExactly(2, 2);
                assertThat(file.tensor("a").dtype()).isEqualTo(DType.F32);
                assertThat(file.byteSize()).isEqualTo(8);
                assertThat(file.files()).hasSize(2);
                assertThat(file.description()).isEqualTo(path.toString());
                assertThatThrownBy(() -> file.tensor("c"))
                        .isInstanceOf(CheckpointException.class)
                        .hasMessageContaining("no tensor 'c'");
            }
        }
    }

    @Test
    void aFolderMayHoldOneFileOfAnyName() {
        Path path = write("adapter_model.safetensors", "{" + entry("a", "F32", "[1]", 0, 4) + "}", 4);
        try (Safetensors file = Safetensors.open(folder)) {
            assertThat(file.files()).containsExactly(path);
        }
        write("other.safetensors", "{}", 0);
        assertThatThrownBy(() -> Safetensors.open(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContainingAll(folder.toString(), "2 .safetensors files", "adapter_model.safetensors");
        write("model.safetensors", "{" + entry("m", "F32", "[1]", 0, 4) + "}", 4);
        try (Safetensors file = Safetensors.open(folder)) {
            assertThat(file.names()).containsExactly("m");
        }
    }

    @Test
    void closedFilesFailClearly() {
        Safetensors file = Safetensors.open(write("m.safetensors", "{" + entry("a", "F32", "[1]", 0, 4) + "}", 4));
        HostTensor early = file.tensor("a");
        file.close();
        file.close();
        assertThatThrownBy(() -> file.tensor("a"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContainingAll("m.safetensors", "is closed");
        assertThatThrownBy(() -> early.data().get(ValueLayout.JAVA_BYTE, 0)).isInstanceOf(IllegalStateException.class);
    }
}
