package dev.apus.loaders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Damaged and hostile GGUF files, one fault each: the message names the file, the thing and the fault. */
class GgufFaultTest {
    private static final long HUGE = 1L << 60;

    @TempDir
    @SuppressWarnings("NullAway.Init") // set by JUnit
    private Path folder;

    private void refused(GgufBytes bytes, String... message) {
        refused(bytes.write(folder), message);
    }

    private static void refused(Path path, String... message) {
        assertThatThrownBy(() -> GgufFile.open(path).close())
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(path.toString())
                .hasMessageContainingAll(message);
    }

    @Test
    void filesThatAreNoGguf() throws IOException {
        refused(folder.resolve("missing.gguf"), "does not exist");
        refused(folder, "is a folder");
        refused(new GgufBytes(), "is empty");
        refused(new GgufBytes().bytes("GGUF"), "header", "cut off", "4 bytes");
        refused(new GgufBytes().bytes("PK\u0003\u0004").data(32), "0x504b0304", "no GGUF file");
        Path pointer = folder.resolve("pointer.gguf");
        Files.writeString(pointer, "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 98362432\n");
        refused(pointer, "Git LFS pointer", "git lfs pull");
    }

    @Test
    void versionsAndByteOrder() {
        refused(new GgufBytes().bytes("GGUF").int32(1).data(64), "version 1", "2 and 3");
        refused(new GgufBytes().bytes("GGUF").int32(4).data(64), "version 4");
        refused(new GgufBytes().bytes("GGUF").int32(-1).data(64), "version 4294967295");
        refused(new GgufBytes().bytes("GGUF").int32(0x03000000).data(64), "version 3 in big-endian");
        refused(new GgufBytes().bytes("FUGG").data(64), "byte-swapped");
    }

    @Test
    void countsThatTheFileCannotHold() {
        refused(GgufBytes.header(HUGE, 0), "number of tensors", Long.toString(HUGE));
        refused(GgufBytes.header(-1, 0), "number of tensors", "18446744073709551615");
        refused(GgufBytes.header(0, HUGE), "number of metadata keys", Long.toString(HUGE));
        refused(GgufBytes.header(0, 100_000).data(2_000_000), "number of metadata keys", "at most 65536");
        for (int type : new int[] {GgufValues.STRING, GgufValues.UINT8, GgufValues.FLOAT64}) {
            refused(
                    GgufBytes.header(0, 1)
                            .string("tokens")
                            .int32(GgufValues.ARRAY)
                            .int32(type)
                            .int64(HUGE),
                    "'tokens'",
                    "array length",
                    Long.toString(HUGE));
        }
    }

    @Test
    void stringsThatTheFileCannotHold() {
        refused(GgufBytes.header(0, 1).int64(HUGE).data(64), "metadata key 0", Long.toString(HUGE));
        refused(GgufBytes.header(0, 1).int64(-1).data(64), "metadata key 0", "18446744073709551615");
        refused(
                GgufBytes.header(0, 1).string("name").int32(GgufValues.STRING).int64(1000),
                "'name'",
                "claims a string of 1000 bytes",
                "truncated");
        refused(
                GgufBytes.header(0, 1)
                        .string("tokens")
                        .int32(GgufValues.ARRAY)
                        .int32(GgufValues.STRING)
                        .int64(2)
                        .string("a")
                        .int64(Long.MAX_VALUE)
                        .data(64),
                "'tokens'[1]",
                "claims a string");
        refused(GgufBytes.header(0, 1).string("k".repeat(70_000)).data(64), "metadata key 0", "at most 65535");
    }

    @Test
    void metadataFaults() {
        refused(GgufBytes.header(0, 2).key("a", 1).key("a", 2), "metadata key 'a'", "twice");
        refused(GgufBytes.header(0, 1).string("a").int32(13).data(8), "'a'", "unknown value type 13");
        refused(GgufBytes.header(0, 1).string("").int32(4).data(8), "metadata key 0", "empty");
        refused(
                GgufBytes.header(0, 1)
                        .string("a")
                        .int32(GgufValues.ARRAY)
                        .int32(77)
                        .int64(0),
                "'a'",
                "array of unknown value type 77");
        refused(GgufBytes.header(0, 1).int64(2).bytes("\u00c3(").int32(4).data(8), "metadata key 0", "UTF-8");
        GgufBytes nested = GgufBytes.header(0, 1).string("deep").int32(GgufValues.ARRAY);
        for (int depth = 0; depth < 100_000; depth++) {
            nested.int32(GgufValues.ARRAY).int64(1);
        }
        refused(nested, "'deep'", "array of arrays");
    }

    @Test
    void aHostileNameIsEscapedAndCut() {
        Path path = GgufBytes.header(1, 0)
                .tensor("evil\n\u001b[2Jname", 99, 0, 1)
                .data(32)
                .write(folder);
        refused(path, "'evil\\u000a\\u001b[2Jname'", "unknown type number 99");
        refused(GgufBytes.header(0, 1).string("k".repeat(5000)).int32(13).data(8), "kkk... (5000 characters)");
    }

    @Test
    void elementsThatAreNotUtf8FailWhenRead() {
        Path path = GgufBytes.header(0, 1)
                .string("tokens")
                .int32(GgufValues.ARRAY)
                .int32(GgufValues.STRING)
                .int64(2)
                .string("fine")
                .int64(1)
                .bytes("\u00ff")
                .write(folder);
        try (GgufFile file = GgufFile.open(path)) {
            List<?> tokens = (List<?>) Objects.requireNonNull(file.metadata().get("tokens"));
            assertThat(tokens.getFirst()).isEqualTo("fine");
            assertThatThrownBy(() -> tokens.get(1))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContainingAll("test.gguf", "'tokens'[1]", "UTF-8");
        }
    }

    @Test
    void alignments() {
        for (int bad : new int[] {0, 1, 4, 48, -1}) {
            refused(
                    GgufBytes.header(0, 1).key("general.alignment", bad),
                    "general.alignment",
                    Integer.toUnsignedString(bad),
                    "power of two");
        }
        refused(GgufBytes.header(0, 1).key("general.alignment", "32"), "general.alignment", "uint32");
    }

    @Test
    void tensorInfos() {
        refused(
                GgufBytes.header(1, 0)
                        .tensor("t", GgufBytes.F32, 0, 1, 1, 1, 1, 1)
                        .data(32),
                "'t'",
                "5 dimensions");
        refused(
                GgufBytes.header(1, 0)
                        .tensor("t".repeat(65), GgufBytes.F32, 0, 1)
                        .data(32),
                "tensor 0",
                "at most 64");
        refused(GgufBytes.header(1, 0).tensor("", GgufBytes.F32, 0, 1).data(32), "tensor 0", "empty name");
        refused(GgufBytes.header(1, 0).int64(1).bytes("\u00ff").data(64), "tensor 0", "UTF-8");
        for (int retired : new int[] {4, 5, 31, 36, 200, -1}) {
            refused(
                    GgufBytes.header(1, 0).tensor("t", retired, 0, 32).data(64),
                    "tensor 't'",
                    "unknown type number " + Integer.toUnsignedString(retired));
        }
        refused(
                GgufBytes.header(2, 0)
                        .tensor("t", GgufBytes.F32, 0, 1)
                        .tensor("t", GgufBytes.F32, 32, 1)
                        .data(64),
                "tensor 't'",
                "twice");
        refused(GgufBytes.header(1, 0).tensor("t", GgufBytes.Q4_0, 0, 33).data(64), "'t'", "33 elements", "32-element");
        refused(GgufBytes.header(1, 0).tensor("t", GgufBytes.Q4_0, 0).data(64), "'t'", "1 elements", "32-element");
    }

    @Test
    void shapesThatOverflow() {
        refused(GgufBytes.header(1, 0).tensor("t", GgufBytes.F32, 0, HUGE, 16).data(64), "'t'", "impossible shape");
        refused(GgufBytes.header(1, 0).tensor("t", GgufBytes.F32, 0, HUGE, 4, 2).data(64), "'t'", "impossible shape");
        refused(
                GgufBytes.header(1, 0).tensor("t", GgufBytes.F32, 0, -1, 4).data(64),
                "'t'",
                "impossible shape [4, 18446744073709551615]");
        refused(GgufBytes.header(1, 0).tensor("t", GgufBytes.F32, 0, HUGE / 2).data(64), "'t'", "truncated");
        refused(GgufBytes.header(1, 0).tensor("t", GgufBytes.Q4_0, 0, HUGE).data(64), "'t'", "truncated");
    }

    @Test
    void placesThatAreWrong() {
        refused(GgufBytes.header(1, 0).tensor("t", GgufBytes.F32, 4, 1).data(64), "'t'", "offset 4", "aligned to 32");
        refused(GgufBytes.header(1, 0).tensor("t", GgufBytes.F32, -32, 1).data(64), "'t'", "18446744073709551584");
        refused(GgufBytes.header(1, 0).tensor("t", GgufBytes.F32, 64, 1).data(64), "'t'", "only 64 bytes of data");
        refused(GgufBytes.header(1, 0).tensor("t", GgufBytes.F32, 32, 9).data(64), "'t'", "32 to 68", "truncated");
        refused(GgufBytes.header(1, 0).tensor("t", GgufBytes.F32, HUGE, 1).data(64), "'t'", "truncated");
        refused(
                GgufBytes.header(2, 0)
                        .tensor("a", GgufBytes.F32, 32, 4)
                        .tensor("b", GgufBytes.F32, 0, 9)
                        .data(64),
                "tensor 'a'",
                "overlaps tensor 'b'");
    }

    @Test
    void everyTruncationOfASoundFileIsRefused() {
        byte[] whole = Resources.bytes("every-type.gguf");
        int padded = 32; // the writer pads behind the last tensor; losing padding is no fault
        for (int length = 0; length < whole.length - padded; length += length < 600 ? 1 : 97) {
            refused(GgufBytes.write(folder, "cut.gguf", Arrays.copyOf(whole, length)), "cut.gguf");
        }
        assertThat(new String(whole, 0, 4, StandardCharsets.US_ASCII)).isEqualTo("GGUF");
    }
}
