package dev.apus.loaders;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/** Random damage to a sound GGUF file: it opens and every tensor reads, or {@link CheckpointException}; nothing else. */
class GgufFuzzTest {
    private static final byte[] WHOLE = Resources.bytes("every-type.gguf");
    /** Header bytes of the fixture, about; damage behind it only changes weights. */
    static final int HEADER = 2200;

    private static final long[] LENGTHS = {
        0,
        1,
        7,
        31,
        32,
        33,
        255,
        65_536,
        1L << 31,
        (1L << 31) - 1,
        1L << 32,
        1L << 60,
        1L << 62,
        Long.MAX_VALUE,
        -1,
        -8,
        -32
    };

    @SuppressWarnings("NullAway.Init") // set by beforeAll
    private static Path folder;

    @BeforeContainer
    static void makeFolder() throws IOException {
        folder = Files.createTempDirectory("gguf-fuzz");
    }

    @AfterContainer
    static void deleteFolder() throws IOException {
        Files.deleteIfExists(folder.resolve("fuzz.gguf"));
        Files.delete(folder);
    }

    @Property(tries = 1500)
    void flippedBytes(
            @ForAll @Size(min = 1, max = 6) List<@IntRange(max = HEADER - 1) Integer> at, @ForAll byte value) {
        byte[] bytes = WHOLE.clone();
        at.forEach(i -> bytes[i] = (byte) (bytes[i] ^ (value == 0 ? 1 : value)));
        opensOrIsRefused(bytes);
    }

    @Property(tries = 1500)
    void splicedLengths(
            @ForAll @IntRange(max = HEADER - 8) int at, @ForAll @IntRange(max = 16) int which, @ForAll boolean narrow) {
        ByteBuffer bytes = ByteBuffer.wrap(WHOLE.clone()).order(ByteOrder.LITTLE_ENDIAN);
        if (narrow) {
            bytes.putInt(at, (int) LENGTHS[which]);
        } else {
            bytes.putLong(at, LENGTHS[which]);
        }
        opensOrIsRefused(bytes.array());
    }

    @Property(tries = 500)
    void movedBytes(
            @ForAll @IntRange(max = HEADER) int from,
            @ForAll @IntRange(max = HEADER) int to,
            @ForAll @IntRange(min = 1, max = 200) int length) {
        byte[] bytes = WHOLE.clone();
        System.arraycopy(WHOLE, from, bytes, to, length);
        opensOrIsRefused(bytes);
    }

    @Property(tries = 500)
    void cutAndRemovedBytes(@ForAll @IntRange(max = HEADER) int at, @ForAll @IntRange(min = 1, max = 64) int removed) {
        opensOrIsRefused(Arrays.copyOf(WHOLE, at));
        byte[] bytes = Arrays.copyOf(WHOLE, WHOLE.length - removed);
        System.arraycopy(WHOLE, at + removed, bytes, at, bytes.length - at);
        opensOrIsRefused(bytes);
    }

    private static void opensOrIsRefused(byte[] bytes) {
        Path path = GgufBytes.write(folder, "fuzz.gguf", bytes);
        try (GgufFile file = GgufFile.open(path)) {
            readAll(file);
        } catch (CheckpointException e) {
            assertThat(e).hasMessageContaining(path.toString());
        }
    }

    private static void readAll(GgufFile file) {
        assertThat(file.byteSize()).isLessThanOrEqualTo(WHOLE.length);
        file.metadata()
                .values()
                .forEach(value -> assertThat(String.valueOf(value)).isNotNull());
        for (String name : file.names()) {
            try {
                byte[] data = file.tensor(name).data().toArray(ValueLayout.JAVA_BYTE);
                assertThat(data.length).isLessThanOrEqualTo(WHOLE.length);
            } catch (CheckpointException e) {
                assertThat(e).hasMessageContaining("not supported");
            }
        }
    }
}
