package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Long texts: what cannot fit is refused before it is encoded, and what is encoded holds up nobody else. */
@Timeout(60)
class LongTextTest {
    /** Three bytes are the longest token of the tests' tokenizer. */
    private static final int MOST_BYTES = 3 * ApiServer.CONTEXT;

    @Test
    void aPromptThatCannotFitIsRefusedBeforeItIsEncoded() throws Exception {
        ConcurrentLinkedQueue<Integer> encoded = new ConcurrentLinkedQueue<>();
        HookedTokenizer tokenizer = new HookedTokenizer(text -> encoded.add(text.length()));
        try (ApiServer server = new ApiServer(tokenizer, new ScriptedEngine(new EchoScript()))) {
            String longer = "x".repeat(MOST_BYTES + 1);
            for (HttpResponse<String> refused : List.of(
                    server.post("/v1/completions", "{\"prompt\":\"" + longer + "\"}"),
                    server.post("/v1/completions", "{\"prompt\":[\"" + longer + "\"]}"),
                    server.post(
                            "/v1/chat/completions",
                            "{\"messages\":[{\"role\":\"user\",\"content\":\"" + longer + "\"}]}"))) {
                assertThat(refused.statusCode()).isEqualTo(400);
                assertThat(refused.body())
                        .contains("context_length_exceeded", "" + (MOST_BYTES + 1), "at most " + MOST_BYTES);
            }
            assertThat(encoded).isEmpty();

            // Characters of two and four bytes, of which fewer fit.
            assertThat(server.post("/v1/completions", "{\"prompt\":\"" + "é".repeat(MOST_BYTES / 2 + 1) + "\"}")
                            .statusCode())
                    .isEqualTo(400);
            assertThat(server.post("/v1/completions", "{\"prompt\":\"" + "😀".repeat(MOST_BYTES / 4 + 1) + "\"}")
                            .statusCode())
                    .isEqualTo(400);
            assertThat(encoded).isEmpty();
            // Just short enough to be tried, and then still too long.
            server.post("/v1/completions", "{\"prompt\":\"" + "x".repeat(MOST_BYTES) + "\"}");
            assertThat(encoded).containsExactly(MOST_BYTES);
        }
    }

    @Test
    void aTextThatIsCutOrCountedMayBeLongerUpToALimit() throws Exception {
        try (ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()))) {
            String text = "x".repeat(1 << 20);
            assertThat(server.ask("/tokenize", "{\"prompt\":\"" + text + "\"}")
                            .get("count")
                            .asInt())
                    .isEqualTo(1 << 20);
            assertThat(server.ask(
                                    "/v1/completions",
                                    "{\"prompt\":\"" + text + "\",\"truncate_prompt_tokens\":5,\"max_tokens\":1}")
                            .at("/usage/prompt_tokens")
                            .asInt())
                    .isEqualTo(5);
            assertThat(server.post("/tokenize", "{\"prompt\":\"" + text + "x\"}")
                            .body())
                    .contains("context_length_exceeded");
            assertThat(server.post("/v1/completions", "{\"prompt\":\"" + text + "x\",\"truncate_prompt_tokens\":5}")
                            .body())
                    .contains("context_length_exceeded");
        }
    }

    /** Encoding is a native call, which a virtual thread cannot leave: here it holds its thread as firmly. */
    @ParameterizedTest
    @CsvSource({"100, /health", "100, /ready", "100000, /version", "100000, /metrics"})
    void othersAreAnsweredWhileTextsAreEncoded(int length, String path) throws Exception {
        AtomicBoolean released = new AtomicBoolean();
        AtomicInteger encoding = new AtomicInteger();
        HookedTokenizer tokenizer = new HookedTokenizer(text -> {
            encoding.incrementAndGet();
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
            while (!released.get() && System.nanoTime() < end) {
                Thread.onSpinWait();
            }
        });
        List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
        try (ApiServer server = new ApiServer(tokenizer, new ScriptedEngine(new EchoScript()))) {
            try (RawClient watcher = server.connect()) {
                String body = "{\"prompt\":\"" + "x".repeat(length) + "\"}";
                for (int i = 0; i < 2 * Runtime.getRuntime().availableProcessors(); i++) {
                    answers.add(server.client().sendAsync(server.request("/tokenize", body), BodyHandlers.ofString()));
                }
                ServerFixture.await("the encoding", () -> encoding.get() > 0);
                Thread.sleep(100); // as many as can are being encoded by now

                long start = System.nanoTime();
                assertThat(watcher.send(RawClient.get(path)).readAnswer()).contains(" 200 ");
                assertThat(System.nanoTime() - start).isLessThan(TimeUnit.SECONDS.toNanos(10));
            } finally {
                released.set(true);
            }
            for (CompletableFuture<HttpResponse<String>> answer : answers) {
                assertThat(answer.get(20, TimeUnit.SECONDS).statusCode()).isEqualTo(200);
            }
        }
    }
}
