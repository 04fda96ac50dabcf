package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code /v1/files} over HTTP: what is sent is kept as it is, and nothing is left of what is broken off. */
@Timeout(60)
class FilesTest {
    @TempDir
    private Path folder;

    private BatchFixture batches;

    Wire wire() {
        return Wire.HTTP_1_1;
    }

    @BeforeEach
    void open() {
        batches = new BatchFixture(wire(), folder, new StubEngine(), "none", options -> options);
    }

    @AfterEach
    void close() {
        batches.close();
    }

    private List<String> stored() throws IOException {
        try (Stream<Path> all = Files.list(folder.resolve("files"))) {
            return all.map(path -> path.getFileName().toString()).toList();
        }
    }

    @Test
    void keepsWhatIsSent() throws Exception {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 30_000; i++) {
            text.append("line ").append(i).append(" of \u00e4 file\r\n--XY\n");
        }
        String content = text.toString();
        JsonNode file = batches.upload(content);
        assertThat(file.get("bytes").asInt()).isEqualTo(content.getBytes(StandardCharsets.UTF_8).length);
        assertThat(file.get("filename").asString()).isEqualTo("in.jsonl");
        assertThat(file.get("id").asString()).matches("file-[0-9a-f]{32}");
        String path = "/v1/files/" + file.get("id").asString();
        assertThat(batches.good(batches.get(path))).isEqualTo(file);
        HttpResponse<String> back = batches.get(path + "/content");
        assertThat(back.body()).isEqualTo(content);
        assertThat(back.headers().firstValue("content-type")).hasValue("application/jsonl");
        HttpResponse<String> head =
                batches.send(batches.request(path + "/content").HEAD().build());
        assertThat(head.headers().firstValueAsLong("content-length").orElse(-1))
                .isEqualTo(file.get("bytes").asLong());
        assertThat(batches.good(batches.delete(path)).get("deleted").asBoolean())
                .isTrue();
        assertThat(batches.get(path).statusCode()).isEqualTo(404);
        assertThat(batches.get(path + "/content").statusCode()).isEqualTo(404);
        assertThat(batches.delete(path).statusCode()).isEqualTo(404);
        assertThat(stored()).isEmpty();
    }

    @Test
    void listsByPages() throws Exception {
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            ids.add(batches.upload("x" + i).get("id").asString());
        }
        JsonNode page = batches.good(batches.get("/v1/files?limit=2&order=asc"));
        assertThat(page.get("data")).hasSize(2);
        assertThat(page.get("first_id").asString()).isEqualTo(ids.get(0));
        assertThat(page.get("has_more").asBoolean()).isTrue();
        JsonNode next = batches.good(batches.get("/v1/files?limit=9&order=asc&after=" + ids.get(1)));
        assertThat(next.get("data")).hasSize(3);
        assertThat(next.get("has_more").asBoolean()).isFalse();
        assertThat(batches.good(batches.get("/v1/files"))
                        .get("data")
                        .get(0)
                        .get("id")
                        .asString())
                .as("the newest first")
                .isEqualTo(ids.get(4));
        assertThat(batches.good(batches.get("/v1/files?purpose=batch_output")).get("data"))
                .isEmpty();
        for (String wrong : List.of("limit=0", "limit=x", "order=up", "after=file-1")) {
            assertThat(batches.get("/v1/files?" + wrong).statusCode()).as(wrong).isEqualTo(400);
        }
    }

    @Test
    void aNameIsNoPath() throws Exception {
        for (String name : List.of("../../../etc/passwd", "/etc/passwd", "a\\\\b", "..", "", "nul\u0000l")) {
            HttpResponse<String> response = batches.sendForm(BatchFixture.form("batch", name, "x"));
            assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        }
        assertThat(stored()).hasSize(12).allMatch(name -> name.matches("file-[0-9a-f]{32}\\.jsonl?"));
        for (String id : List.of("..%2f..%2flock", "../lock", "..", "%00", "file-")) {
            HttpRequest request = batches.request("/v1/files/x").build();
            String path = "/v1/files/" + id;
            if (wire() == Wire.HTTP_1_1) {
                try (RawClient raw = batches.server.connect()) {
                    assertThat(raw.send(RawClient.get(path + "/content")).readAnswer())
                            .as(path)
                            .startsWith("HTTP/1.1 404 ");
                }
            }
            assertThat(batches.send(request).statusCode()).isEqualTo(404);
        }
    }

    @Test
    void refusesWhatItDoesNotKeep() throws Exception {
        assertRefused(BatchFixture.form("fine-tune", "f", "x"), 400, "purpose");
        assertRefused(form("purpose", "batch"), 400, "'file' is missing");
        assertRefused(form("file", "x"), 400, "'purpose' is missing");
        assertRefused(BatchFixture.form("batch", "f", "x".repeat((4 << 20) + 1)), 413, "larger than the limit");
        assertRefused("nonsense".getBytes(StandardCharsets.UTF_8), 400, "boundary");
        assertRefused(new byte[0], 400, "boundary");
        byte[] whole = BatchFixture.form("batch", "f", "x".repeat(100_000));
        assertRefused(java.util.Arrays.copyOf(whole, 90_000), 400, "before its last boundary");
        HttpResponse<String> json = batches.post("/v1/files", "{}");
        assertThat(json.statusCode()).isEqualTo(415);
        assertThat(json.body()).contains("multipart/form-data");
        assertThat(stored()).isEmpty();
        assertThat(batches.upload("x").get("bytes").asInt()).as("afterwards").isEqualTo(1);
    }

    private static byte[] form(String name, String value) {
        return ("--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"f\"\r\n\r\n" + value
                        + "\r\n--XX--\r\n")
                .getBytes(StandardCharsets.UTF_8);
    }

    private void assertRefused(byte[] form, int status, String why) throws Exception {
        HttpResponse<String> response = batches.sendForm(form);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(response.body()).contains(why);
    }

    @Test
    void refusesALengthThatIsTooMuchBeforeItIsSent() throws Exception {
        try (RawClient raw = batches.server.connect()) {
            raw.send("POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=XX\r\n"
                    + "Content-Length: 999999999\r\nExpect: 100-continue\r\n\r\n");
            assertThat(raw.readAnswer()).startsWith("HTTP/1.1 413 ");
        }
    }

    @Test
    void takesFormsInSmallBites() throws Exception {
        byte[] form = BatchFixture.form("batch", "f", "0123456789".repeat(100));
        InputStream slow = new ByteArrayInputStream(form) {
            @Override
            public synchronized int read(byte[] into, int from, int length) {
                return super.read(into, from, 1);
            }
        };
        HttpResponse<String> response = batches.send(batches.request("/v1/files")
                .header("Content-Type", "multipart/form-data; boundary=XX")
                .POST(BodyPublishers.ofInputStream(() -> slow))
                .build());
        assertThat(batches.good(response).get("bytes").asInt()).isEqualTo(1000);
    }

    @Test
    void aClientThatGoesLeavesNothing() throws Exception {
        String head = "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=XX\r\n"
                + "Content-Length: 2000000\r\n\r\n";
        String begin = new String(BatchFixture.form("batch", "f", "x".repeat(1_500_000)), StandardCharsets.ISO_8859_1);
        for (int length : List.of(0, 10, 200, 1000, 1_000_000)) {
            RawClient raw = batches.server.connect();
            raw.send(head + begin.substring(0, length));
            if (length >= 1000) {
                awaitStored(1);
            }
            raw.reset();
            awaitStored(0);
        }
    }

    private void awaitStored(int count) throws Exception {
        long deadline = System.nanoTime() + 10_000_000_000L;
        while (!Files.isDirectory(folder.resolve("files")) || stored().size() != count) {
            assertThat(System.nanoTime()).as("%s files", count).isLessThan(deadline);
            Thread.sleep(5);
        }
    }

    /** Pages of other origins can send forms without asking: not here. */
    @Test
    void pagesOfOthersMayNotSendFiles() throws Exception {
        HttpResponse<String> response = batches.send(batches.request("/v1/files")
                .header("Content-Type", "multipart/form-data; boundary=XX")
                .header("Origin", "https://evil.example")
                .POST(BodyPublishers.ofByteArray(BatchFixture.form("batch", "f", "x")))
                .build());
        assertThat(response.statusCode()).isEqualTo(403);
        assertThat(response.body()).contains("origin_not_allowed");
        assertThat(batches.send(batches.request("/v1/files")
                                .header("Content-Type", "multipart/form-data; boundary=XX")
                                .header("Origin", batches.server.url())
                                .POST(BodyPublishers.ofByteArray(BatchFixture.form("batch", "f", "x")))
                                .build())
                        .statusCode())
                .as("its own")
                .isEqualTo(200);
    }

    @Test
    void aServerWithoutBatchesSaysSo() throws Exception {
        try (ApiServer without = new ApiServer(new CharTokenizer(), new StubEngine())) {
            HttpResponse<String> response = without.post(
                    "/v1/batches",
                    "{\"input_file_id\":\"f\",\"endpoint\":" + "\"/v1/completions\",\"completion_window\":\"24h\"}");
            assertThat(response.statusCode()).isEqualTo(501);
            assertThat(response.body()).contains("--batch-dir");
        }
    }

    @Test
    void aSlowReaderGetsItAll() throws Exception {
        String content = "0123456789abcdef".repeat(200_000);
        String path = "/v1/files/" + batches.upload(content).get("id").asString() + "/content";
        if (wire() != Wire.HTTP_1_1) {
            assertThat(batches.get(path).body()).isEqualTo(content);
            return;
        }
        try (RawClient raw = batches.server.connect()) {
            raw.send(RawClient.get(path, "Connection: close"));
            Thread.sleep(300);
            String answer = raw.readAll();
            assertThat(answer).startsWith("HTTP/1.1 200 ").endsWith("0\r\n\r\n");
            assertThat(answer.length()).isGreaterThan(content.length());
        }
    }
}
