package dev.apus.loaders;

import static dev.apus.loaders.SafetensorsBytes.entry;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.From;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/** Random damage to a sound safetensors file: it opens and every tensor reads, or {@link CheckpointException}; nothing else. */
class SafetensorsFuzzTest {
    private static final String HEADER = "{\"__metadata__\":{\"format\":\"pt\"},"
            + entry("a.weight", "BF16", "[4,8]", 0, 64) + "," + entry("b", "F32", "[2,3]", 64, 88) + ","
            + entry("none", "I64", "[0]", 88, 88) + "," + entry("c", "F8_E4M3", "[7]", 88, 95) + "}";

    private static final byte[] WHOLE = SafetensorsBytes.of(HEADER, 95);

    /** What JSON is made of, so that splices stay close to JSON. */
    private static final List<String> FRAGMENTS = List.of(
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\\u0000",
            "\\ud800",
            "null",
            "true",
            "-1",
            "1e9",
            "9223372036854775807",
            "18446744073709551615",
            "4611686018427387904",
            "\"b\"",
            "\"dtype\":\"F64\"",
            "[[[[[[[[",
            "{\"a\":",
            "\u0000",
            " ",
            "88",
            "\"shape\":[]",
            "\"data_offsets\":[0,0]",
            "\"__metadata__\":{}");

    @SuppressWarnings("NullAway.Init") // set by makeFolder
    private static Path folder;

    @BeforeContainer
    static void makeFolder() throws IOException {
        folder = Files.createTempDirectory("safetensors-fuzz");
    }

    @AfterContainer
    static void deleteFolder() throws IOException {
        Files.deleteIfExists(folder.resolve("fuzz.safetensors"));
        Files.delete(folder);
    }

    @Provide
    Arbitrary<Integer> positions() {
        return Arbitraries.integers().between(0, WHOLE.length - 1);
    }

    @Provide
    Arbitrary<String> fragments() {
        return Arbitraries.of(FRAGMENTS);
    }

    @Property(tries = 1500)
    void flippedBytes(@ForAll("positions") int first, @ForAll("positions") int second, @ForAll byte value) {
        byte[] bytes = WHOLE.clone();
        bytes[first] ^= value;
        bytes[second] ^= (byte) (value >> 1);
        opensOrIsRefused(bytes);
    }

    @Property(tries = 1500)
    void splicedHeaders(
            @ForAll @IntRange(max = 300) int at,
            @ForAll @IntRange(max = 20) int removed,
            @ForAll @Size(max = 3) List<@From("fragments") String> inserted) {
        int start = Math.min(at, HEADER.length());
        int end = Math.min(start + removed, HEADER.length());
        String header = HEADER.substring(0, start) + String.join("", inserted) + HEADER.substring(end);
        opensOrIsRefused(SafetensorsBytes.of(header, 95));
    }

    @Property(tries = 500)
    void cutFiles(@ForAll("positions") int length) {
        opensOrIsRefused(Arrays.copyOf(WHOLE, length));
    }

    @Property(tries = 500)
    void headerLengths(@ForAll @LongRange(min = -2, max = 500) long length, @ForAll @IntRange(max = 62) int shift) {
        opensOrIsRefused(SafetensorsBytes.withLength(length, HEADER.getBytes(StandardCharsets.US_ASCII), 95));
        byte[] bytes = WHOLE.clone();
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length << shift);
        opensOrIsRefused(bytes);
    }

    private static void opensOrIsRefused(byte[] bytes) {
        Path path = GgufBytes.write(folder, "fuzz.safetensors", bytes);
        try (Safetensors file = Safetensors.open(path)) {
            assertThat(file.byteSize()).isLessThanOrEqualTo(bytes.length);
            for (String name : file.names()) {
                try {
                    byte[] data = file.tensor(name).data().toArray(ValueLayout.JAVA_BYTE);
                    assertThat(data.length).isLessThanOrEqualTo(bytes.length);
                } catch (CheckpointException e) {
                    assertThat(e).hasMessageContaining("not supported");
                }
            }
        } catch (CheckpointException e) {
            assertThat(e).hasMessageContaining(path.toString());
        }
    }
}
