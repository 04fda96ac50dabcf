package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.EngineEvent.FinishReason;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Requests that would fill the heap together are refused: a full one ends the process. */
@Timeout(60)
class MemoryBudgetTest {
    @Test
    void aBodyOfManySmallValuesWeighsMoreThanText() throws Exception {
        try (ServerFixture fixture =
                new ServerFixture(options -> options.maxBodyBytes(100_000).maxBufferedBytes(1_000_000))) {
            String values = "{\"tokens\":[" + "0,".repeat(40_000) + "0]}";
            String text = "{\"tokens\":\"" + "0,".repeat(40_000) + "\"}";
            assertThat(fixture.connectAndAnswer(RawClient.post("/detokenize", values)))
                    .contains(" 413 ", "bytes of the server's memory");
            assertThat(fixture.connectAndAnswer(RawClient.post("/detokenize", text)))
                    .contains(" 400 ", "invalid_type");
        }
    }

    @Test
    void weighsWhatIsOutsideOfStrings() {
        assertThat(bytes("\"[{,:,}]\"")).isEqualTo(bytes("\"\""));
        assertThat(bytes("\"\\\"[[[[\"")).isEqualTo(bytes("\"\""));
        assertThat(bytes("\"open \\")).isEqualTo(bytes("\""));
        assertThat(bytes("[1,2,3]") - bytes("[1,2]")).isEqualTo(MemoryBudget.PER_ELEMENT);
        assertThat(bytes("{\"a\":{}}")).isGreaterThan(bytes("[[]]") * 2);
    }

    private static long bytes(String json) {
        return MemoryBudget.treeBytes(json.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void aRequestHoldsItsMemoryUntilItIsWorkedOnNoMore() throws Exception {
        CountDownLatch release = new CountDownLatch(1);
        AtomicBoolean encoding = new AtomicBoolean();
        HookedTokenizer tokenizer = new HookedTokenizer(text -> {
            if (text.startsWith("HOLD")) {
                encoding.set(true);
                try {
                    release.await(20, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }
        });
        ScriptedEngine engine = new ScriptedEngine(answer -> answer.finish(FinishReason.LENGTH, -1));
        try (ApiServer server = new ApiServer(
                tokenizer, engine, options -> options.maxBodyBytes(10_000).maxBufferedBytes(100_000))) {
            String other = "{\"prompt\":\"" + "y".repeat(1500) + "\"}";
            CompletableFuture<HttpResponse<String>> held = server.client()
                    .sendAsync(
                            server.request("/tokenize", "{\"prompt\":\"HOLD" + "x".repeat(9000) + "\"}"),
                            BodyHandlers.ofString());
            ServerFixture.await("the encoding", encoding::get);
            HttpResponse<String> refused = server.post("/tokenize", other);
            assertThat(refused.statusCode()).isEqualTo(503);
            assertThat(refused.headers().firstValue("retry-after")).isPresent();
            assertThat(server.post("/v1/completions", "{\"prompt\":\"y\"}").statusCode())
                    .isEqualTo(200);

            release.countDown();
            // Its own ids need more than there is: the refusal comes late, but it comes.
            assertThat(held.get(20, TimeUnit.SECONDS).statusCode()).isEqualTo(413);
            ServerFixture.await("the memory is back", () -> status(server, other) == 200);
        } finally {
            release.countDown();
        }
    }

    private static int status(ApiServer server, String body) {
        try {
            return server.post("/tokenize", body).statusCode();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void anAnswerHoldsItsMemoryUntilItIsRead() throws Exception {
        String request =
                RawClient.post("/tokenize", "{\"prompt\":\"" + "x".repeat(1 << 20) + "\",\"return_token_strs\":true}");
        // The request takes 109 MB, its answer 8.
        try (ServerFixture fixture = new ServerFixture(
                        options -> options.maxBodyBytes(2_000_000).maxBufferedBytes(113_000_000));
                RawClient slow = new RawClient(fixture.server, 4096)) {
            slow.send(request);
            String head = slow.readUntil("\r\n\r\n");
            assertThat(head).contains(" 200 ");
            assertThat(fixture.connectAndAnswer(request)).contains(" 503 ");

            int from = head.indexOf("content-length: ") + "content-length: ".length();
            int length = Integer.parseInt(head.substring(from, head.indexOf('\r', from)));
            assertThat(slow.socket.getInputStream().readNBytes(length)).hasSizeGreaterThan(8_000_000);
            ServerFixture.await(
                    "the memory is back",
                    () -> fixture.connectAndAnswer(request).contains(" 200 "));
        }
    }

    @Test
    void probesAreAnsweredHoweverFullTheMemoryIs() throws Exception {
        try (ServerFixture fixture =
                        new ServerFixture(options -> options.maxBodyBytes(100).maxBufferedBytes(1000));
                RawHttp2 unread = RawHttp2.connect(fixture.server, 0);
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            unread.get(1, "/openapi.json");
            ServerFixture.await("the memory is full", () -> fixture.server.memoryTaken() > 1000);
            int stream = 1;
            for (String path : List.of("/health", "/live", "/ready", "/ping")) {
                assertThat(fixture.connectAndAnswer(RawClient.get(path))).contains(" 200 ");
                client.get(stream, path);
                assertThat(client.await(stream).status()).as(path).isEqualTo(200);
                stream += 2;
            }
            client.get(stream, "/v1/models");
            assertThat(client.await(stream).status()).isEqualTo(503);
        }
    }

    @Test
    void openStreamsTakeMemory() throws Exception {
        try (ServerFixture fixture =
                new ServerFixture(options -> options.maxBodyBytes(1000).maxBufferedBytes(100_000))) {
            try (RawHttp2 hoarder = RawHttp2.connect(fixture.server);
                    RawHttp2 other = RawHttp2.connect(fixture.server)) {
                for (int i = 0; i < 100; i++) {
                    hoarder.open(2 * i + 1, "GET", "/health");
                }
                assertThat(hoarder.await(199).reset).isEqualTo(RawHttp2.REFUSED_STREAM);
                long admitted = IntStream.range(0, 100)
                        .filter(i -> hoarder.answer(2 * i + 1).reset < 0)
                        .count();
                assertThat(admitted).isBetween(15L, 24L);

                for (int i = 0; i < ConnectionMemory.ALWAYS; i++) {
                    other.get(2 * i + 1, "/health");
                    assertThat(other.await(2 * i + 1).status()).isEqualTo(200);
                }
                for (int i = 0; i <= ConnectionMemory.ALWAYS; i++) {
                    other.open(101 + 2 * i, "GET", "/health");
                }
                int last = 101 + 2 * ConnectionMemory.ALWAYS;
                assertThat(other.await(last).reset).isEqualTo(RawHttp2.REFUSED_STREAM);
                assertThat(other.answer(last - 2).reset).isEqualTo(-1);
            }
            ServerFixture.await("the memory is back", () -> fixture.server.memoryTaken() == 0);
        }
    }

    @Test
    void aClientThatReadsNoAnswersHoldsBackOnlyItself() throws Exception {
        int length;
        try (ServerFixture fixture = new ServerFixture()) {
            length = fixture.connectAndAnswer(RawClient.get("/openapi.json")).length();
        }
        // A connection's part is three such answers.
        int most = 3 * length * ConnectionMemory.PART;
        try (ServerFixture fixture =
                        new ServerFixture(options -> options.maxBodyBytes(1000).maxBufferedBytes(most));
                RawHttp2 unread = RawHttp2.connect(fixture.server, 0);
                RawHttp2 other = RawHttp2.connect(fixture.server)) {
            for (int stream = 1; stream <= 7; stream += 2) {
                assertThat(statusAlone(unread, stream, "/openapi.json")).isEqualTo(200);
            }
            assertThat(statusAlone(unread, 9, "/v1/models")).isEqualTo(503);
            assertThat(statusAlone(unread, 11, "/health")).isEqualTo(200);
            other.get(1, "/openapi.json");
            assertThat(other.await(1).status()).isEqualTo(200);

            for (int stream = 1; stream <= 11; stream += 2) {
                unread.window(stream, length);
            }
            unread.window(0, 9 * length);
            ServerFixture.await("the answers are read", () -> fixture.server.memoryTaken() == 0);
            assertThat(statusAlone(unread, 13, "/v1/models")).isEqualTo(200);
        }
    }

    /** Of an answer whose body may not come. */
    private static int statusAlone(RawHttp2 client, int stream, String path) throws IOException {
        client.get(stream, path);
        while (client.answer(stream).status() == 0) {
            client.read();
        }
        return client.answer(stream).status();
    }

    @Test
    void detokenizesWhatTheModelCanHaveMade() throws Exception {
        ScriptedEngine engine = new ScriptedEngine(answer -> answer.finish(FinishReason.LENGTH, -1));
        try (ApiServer server = new ApiServer(new CharTokenizer(), engine)) {
            String ids = "65,".repeat(ApiServer.CONTEXT - 1);
            assertThat(server.post("/detokenize", "{\"tokens\":[" + ids + "65]}")
                            .statusCode())
                    .isEqualTo(200);
            assertThat(server.post("/detokenize", "{\"tokens\":[65," + ids + "65]}")
                            .body())
                    .contains("'tokens' has 4097 entries, at most 4096");
        }
    }
}
