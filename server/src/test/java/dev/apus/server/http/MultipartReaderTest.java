package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Forms of every cut and shape: what is in them is read as it is, or refused. */
@Timeout(60)
class MultipartReaderTest {
    private static final String TYPE = "multipart/form-data; boundary=X";

    /** Gives at most so many bytes at a time. */
    private static InputStream inBites(byte[] bytes, int most) {
        return new ByteArrayInputStream(bytes) {
            @Override
            public synchronized int read(byte[] into, int from, int length) {
                return super.read(into, from, Math.min(length, most));
            }
        };
    }

    private static byte[] latin(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    private static List<String> read(InputStream in, String type, int buffer) throws IOException {
        MultipartReader reader = new MultipartReader(in, type);
        List<String> parts = new ArrayList<>();
        for (MultipartReader.Part part = reader.next(); part != null; part = reader.next()) {
            ByteArrayOutputStream content = new ByteArrayOutputStream();
            byte[] some = new byte[buffer];
            for (int count = reader.read(some); count >= 0; count = reader.read(some)) {
                content.write(some, 0, count);
            }
            parts.add(part.name() + "|" + part.filename() + "|" + content.toString(StandardCharsets.ISO_8859_1));
        }
        return parts;
    }

    private static String part(String disposition, String content) {
        return "--X\r\nContent-Disposition: form-data; " + disposition + "\r\nContent-Type: text/plain\r\n\r\n"
                + content + "\r\n";
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5, 7, 64, 100_000})
    void readsPartsHoweverTheyAreCut(int bite) throws IOException {
        String nasty = "a\r\n--\r\n--x\r\r\n--Y\r\n--";
        String body = part("name=\"purpose\"", "batch") + part("name=empty", "")
                + part("name=\"file\"; filename=\"../../etc/passwd\"", nasty)
                + part("filename*=UTF-8''a%20%C3%A4; name=\"q\\\"uoted\"", "\r\n") + "--X--\r\n";
        assertThat(read(inBites(latin(body), bite), TYPE, 3))
                .containsExactly(
                        "purpose|null|batch", "empty|null|", "file|../../etc/passwd|" + nasty, "q\"uoted|a ä|\r\n");
    }

    @Test
    void readsAnyBytes() throws IOException {
        Random random = new Random(7);
        for (int round = 0; round < 200; round++) {
            byte[] alphabet = latin("\r\n-Xab");
            byte[] content = new byte[random.nextInt(200_000)];
            for (int i = 0; i < content.length; i++) {
                content[i] = alphabet[random.nextInt(round % 2 == 0 ? 6 : 4)];
            }
            // A boundary at its beginning or within would be its end.
            String text = "a" + new String(content, StandardCharsets.ISO_8859_1);
            while (text.contains("\r\n--X")) {
                text = text.replace("\r\n--X", "-");
            }
            byte[] body = latin(part("name=\"file\"", text) + "--X--");
            assertThat(read(inBites(body, 1 + random.nextInt(100_000)), TYPE, 1 + random.nextInt(70_000)))
                    .containsExactly("file|null|" + text);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "--X",
                "--X\r\n",
                "--X\r\nContent-Disposition: form-data; name=a\r\n",
                "--X\r\nContent-Disposition: form-data; name=a\r\n\r\n",
                "--X\r\nContent-Disposition: form-data; name=a\r\n\r\nabc",
                "--X\r\nContent-Disposition: form-data; name=a\r\n\r\nabc\r\n--X",
                "--X\r\nContent-Disposition: form-data; name=a\r\n\r\nabc\r\n--X-",
                "--Y\r\nContent-Disposition: form-data; name=a\r\n\r\nabc\r\n--Y--",
                "hello",
                "--X\r\n\r\nabc\r\n--X--",
                "--Xtra\r\nContent-Disposition: form-data; name=a\r\n\r\nabc\r\n--X--",
                "--X\r\nContent-Disposition: form-data; filename*=UTF-8''%ZZ; name=a\r\n\r\nabc\r\n--X--"
            })
    void refusesWhatIsNoForm(String body) {
        assertThatThrownBy(() -> read(inBites(latin(body), 3), TYPE, 10)).isInstanceOf(ApiException.class);
    }

    @Test
    void refusesWhatIsTooMuch() {
        String head = "--X\r\nContent-Disposition: form-data; name=a\r\n";
        for (String body : List.of(
                head + "x: " + "y".repeat(9000) + "\r\n\r\n\r\n--X--",
                head + "x: y\r\n".repeat(3000) + "\r\n\r\n--X--",
                part("name=a", "b").repeat(33) + "--X--",
                part("name=a", "b") + "--X--" + "c".repeat(200_000))) {
            assertThatThrownBy(() -> read(inBites(latin(body), 1000), TYPE, 10)).isInstanceOf(ApiException.class);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\""
            })
    void refusesATypeWithoutBoundary(String type) {
        assertThatThrownBy(() -> read(inBites(latin("--X--"), 5), type, 10)).hasMessageContaining("boundary");
    }

    @Test
    void takesABoundaryInQuotes() throws IOException {
        assertThat(read(inBites(latin(part("name=a", "b") + "--X--"), 5), "multipart/form-data; Boundary=\"X\"", 10))
                .containsExactly("a|null|b");
    }

    @Test
    void aFieldMayBeSoLong() throws IOException {
        MultipartReader reader = new MultipartReader(inBites(latin(part("name=a", "12345") + "--X--"), 5), TYPE);
        assertThat(reader.next()).isNotNull();
        assertThatThrownBy(() -> reader.text("a", 4)).hasMessageContaining("longer than 4");
    }
}
