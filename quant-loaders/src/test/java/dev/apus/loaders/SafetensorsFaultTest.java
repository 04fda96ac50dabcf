package dev.apus.loaders;

import static dev.apus.loaders.SafetensorsBytes.entry;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Damaged and hostile safetensors files, one fault each: the message names the file, the tensor and the fault. */
class SafetensorsFaultTest {
    @TempDir
    @SuppressWarnings("NullAway.Init") // set by JUnit
    private Path folder;

    private void refused(byte[] bytes, String... message) {
        refused(GgufBytes.write(folder, "bad.safetensors", bytes), message);
    }

    private void refused(String header, int dataBytes, String... message) {
        refused(SafetensorsBytes.of(header, dataBytes), message);
    }

    private static void refused(Path path, String... message) {
        assertThatThrownBy(() -> Safetensors.open(path).close())
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(path.toString())
                .hasMessageContainingAll(message);
    }

    @Test
    void filesThatAreNoSafetensors() {
        refused(folder.resolve("missing.safetensors"), "does not exist");
        refused(folder, "no .safetensors file at all");
        refused(new byte[0], "is empty");
        refused(new byte[9], "header is cut off", "9 bytes");
        refused(
                "GGUF and so on, no header".getBytes(StandardCharsets.US_ASCII),
                "header length",
                "no safetensors file");
        refused("[1]", 8, "does not start with '{'");
        refused(" {}", 8, "does not start with '{'");
        refused("version https://git-lfs.github.com/spec/v1\n".getBytes(StandardCharsets.US_ASCII), "Git LFS pointer");
    }

    @Test
    void headerLengths() throws IOException {
        byte[] header = "{}".getBytes(StandardCharsets.US_ASCII);
        refused(SafetensorsBytes.withLength(3, header, 0), "header length 3", "truncated");
        refused(SafetensorsBytes.withLength(0, header, 0), "header length 0");
        refused(SafetensorsBytes.withLength(-1, header, 0), "header length 18446744073709551615");
        refused(SafetensorsBytes.withLength(1L << 60, header, 0), "header length " + (1L << 60));
        Path sparse = GgufBytes.write(folder, "sparse.safetensors", SafetensorsBytes.withLength(99_999_999, header, 0));
        try (RandomAccessFile file = new RandomAccessFile(sparse.toFile(), "rw")) {
            file.setLength(1L << 33);
        }
        refused(sparse, "no valid JSON");
        Path zeros = GgufBytes.write(
                folder, "zeros.safetensors", SafetensorsBytes.withLength(99_999_999, new byte[] {'{', '"'}, 0));
        try (RandomAccessFile file = new RandomAccessFile(zeros.toFile(), "rw")) {
            file.setLength(1L << 33);
        }
        refused(zeros, "no valid JSON");
    }

    @Test
    void headersThatAreNoJson() {
        refused("{", 8, "header length");
        refused("{\"a\":", 8, "no valid JSON", "end-of-input");
        refused("{\"a\" 1}", 8, "no valid JSON");
        refused("{} {}", 0, "goes on behind its closing brace");
        refused("{}x", 0, "no valid JSON");
        refused(SafetensorsBytes.of(new byte[] {'{', '"', (byte) 0xff, '"', ':', '1', '}'}, 0), "not UTF-8");
        refused(SafetensorsBytes.of("{\"a\":{}}".getBytes(StandardCharsets.UTF_16LE), 0), "no valid JSON");
    }

    @Test
    void aMillionDeepHeaderIsRefused() {
        refused("{\"t\":" + "[".repeat(1_000_000), 0, "tensor 't'", "an array, not an object");
        refused("{\"t\":{\"x\":" + "[".repeat(1_000_000), 0, "no valid JSON", "nesting depth", "32");
        refused("{\"t\":{\"x\":" + "{\"a\":".repeat(1_000_000), 0, "no valid JSON", "nesting depth", "32");
        refused("{\"t\":{\"shape\":" + "[".repeat(1_000_000), 0, "tensor 't'", "an array in shape");
        refused("{\"__metadata__\":" + "{\"a\":".repeat(1_000_000), 0, "__metadata__", "an object, not a string");
    }

    @Test
    void longNamesAndNumbersAreRefused() {
        refused("{\"" + "n".repeat(20_000) + "\":{}}", 0, "no valid JSON", "ame length");
        refused("{\"t\":{\"shape\":[" + "9".repeat(100_000) + "]}}", 0, "no valid JSON", "umber value length");
    }

    @Test
    void metadataFaults() {
        refused("{\"__metadata__\":[]}", 0, "__metadata__", "an array, not an object");
        refused("{\"__metadata__\":{\"a\":1}}", 0, "__metadata__", "key 'a' is a number");
        refused("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "__metadata__", "key 'a' is there twice");
        refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__", "twice");
    }

    @Test
    void fieldsOfATensor() {
        refused("{\"t\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor 't'", "no dtype");
        refused("{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "tensor 't'", "no shape");
        refused("{\"t\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "tensor 't'", "no data_offsets");
        refused("{\"t\":{\"dtype\":\"F32\",\"dtype\":\"F16\"}}", 4, "tensor 't'", "dtype twice");
        refused("{\"t\":{\"shape\":[],\"shape\":[]}}", 4, "tensor 't'", "shape twice");
        refused("{\"t\":{\"dtype\":32}}", 4, "tensor 't'", "dtype that is a number");
        refused("{\"t\":{\"shape\":null}}", 4, "tensor 't'", "shape that is null");
        refused("{\"t\":{\"shape\":[-1]}}", 4, "tensor 't'", "'-1' in shape");
        refused("{\"t\":{\"shape\":[1.5]}}", 4, "tensor 't'", "a number in shape");
        refused("{\"t\":{\"shape\":[18446744073709551616]}}", 4, "tensor 't'", "'18446744073709551616' in shape");
        refused("{\"t\":{\"shape\":[" + "1,".repeat(32) + "1]}}", 4, "tensor 't'", "more than 32 numbers");
        refused("{\"t\":{\"data_offsets\":[\"0\",4]}}", 4, "tensor 't'", "a string in data_offsets");
        refused("{\"t\":7}", 4, "tensor 't'", "a number, not an object");
        refused("{" + entry("t", "Q4_1", "[1]", 0, 4) + "}", 4, "tensor 't'", "unknown dtype 'Q4_1'");
        refused("{" + entry("t", "f32", "[1]", 0, 4) + "}", 4, "tensor 't'", "unknown dtype 'f32'");
    }

    @Test
    void duplicateTensors() {
        refused(
                "{" + entry("t", "F32", "[1]", 0, 4) + "," + entry("t", "F32", "[1]", 4, 8) + "}",
                8,
                "tensor 't'",
                "twice");
    }

    @Test
    void sizesAndOffsets() {
        refused("{" + entry("t", "F32", "[2]", 0, 4) + "}", 4, "tensor 't'", "needs 8 bytes", "hold 4");
        refused("{" + entry("t", "F32", "[1]", 0, 8) + "}", 4, "tensor 't'", "ends at byte 8", "only 4 bytes");
        refused("{" + entry("t", "F32", "[1]", 4, 0) + "}", 4, "tensor 't'", "not [begin, end]");
        refused("{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "'t'", "not [begin, end]");
        refused(
                "{" + entry("t", "F32", "[4611686018427387904,4]", 0, 4) + "}",
                4,
                "tensor 't'",
                "impossible shape [4611686018427387904, 4]");
        refused("{" + entry("t", "F64", "[4611686018427387904]", 0, 4) + "}", 4, "tensor 't'", "impossible shape");
        refused("{" + entry("t", "F4", "[3]", 0, 2) + "}", 2, "tensor 't'", "impossible shape");
        refused("{" + entry("t", "U8", "[1]", 0, Long.MAX_VALUE) + "}", 2, "tensor 't'", "ends at byte");
    }

    @Test
    void holesOverlapsAndTrailingBytes() {
        refused("{" + entry("t", "F32", "[1]", 4, 8) + "}", 8, "tensor 't'", "hole of 4 bytes", "start of the data");
        refused(
                "{" + entry("b", "F32", "[1]", 8, 12) + "," + entry("a", "F32", "[1]", 0, 4) + "}",
                12,
                "tensor 'b'",
                "hole of 4 bytes behind tensor 'a'");
        refused(
                "{" + entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "F32", "[1]", 4, 8) + "}",
                8,
                "tensor 'b'",
                "overlaps tensor 'a'");
        refused("{" + entry("t", "F32", "[1]", 0, 4) + "}", 7, "3 bytes behind tensor 't'");
        refused("{}", 5, "5 bytes");
    }

    private void indexRefused(String json, String... message) throws IOException {
        Path index = folder.resolve("model.safetensors.index.json");
        Files.writeString(index, json);
        assertThatThrownBy(() -> Safetensors.open(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContainingAll(message);
    }

    @Test
    void indexFaults() throws IOException {
        GgufBytes.write(folder, "one.safetensors", SafetensorsBytes.of("{" + entry("a", "F32", "[1]", 0, 4) + "}", 4));
        indexRefused("[]", "index.json", "not a JSON object");
        indexRefused("{\"weight_map\":", "index.json", "no valid JSON", "end-of-input");
        indexRefused("{\"metadata\":" + "[".repeat(1_000_000), "index.json", "nesting depth");
        indexRefused("{\"weight_map\":{\"a\":" + "[".repeat(1_000_000), "index.json", "'a'", "not a file name");
        indexRefused("{}", "no weight_map");
        indexRefused("{\"weight_map\":{},\"weight_map\":{}}", "weight_map is there twice");
        indexRefused("{\"weight_map\":{\"a\":1}}", "'a'", "a number, not a file name");
        indexRefused("{\"weight_map\":{\"a\":\"one.safetensors\",\"a\":\"one.safetensors\"}}", "'a'", "twice");
        indexRefused("{\"weight_map\":{\"b\":\"one.safetensors\"}}", "'b'", "'one.safetensors'", "does not have it");
        indexRefused("{\"weight_map\":{\"a\":\"two.safetensors\"}}", "two.safetensors", "does not exist");
        for (String outside : new String[] {"../one.safetensors", "/one.safetensors", "x.json", "a\\\\b.safetensors"}) {
            indexRefused("{\"weight_map\":{\"a\":\"" + outside + "\"}}", "'a'", "not a .safetensors file beside");
        }
    }
}
