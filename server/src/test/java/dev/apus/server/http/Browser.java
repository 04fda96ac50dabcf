package dev.apus.server.http;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A Chromium without a window, driven by its DevTools protocol. {@code .ci/browser} finds one; the environment variable
 * {@code APUS_TEST_BROWSER} names another. Without any the test is skipped.
 */
final class Browser implements AutoCloseable {
    private static final Path FOUND = Path.of("../.apus/browser");
    private static final long START_SECONDS = 60;
    private static final long ANSWER_SECONDS = 30;

    private final Process process;
    private final HttpClient client = HttpClient.newHttpClient();
    private final WebSocket socket;
    private final JsonMapper json = new JsonMapper();
    private final AtomicInteger ids = new AtomicInteger();
    private final Map<Integer, CompletableFuture<JsonNode>> waiting = new ConcurrentHashMap<>();
    private final Map<String, BrowserPage> pages = new ConcurrentHashMap<>();

    /** @param folder for the browser's files */
    Browser(Path folder) throws IOException, InterruptedException {
        Path profile = Files.createDirectories(folder.resolve("profile"));
        process = new ProcessBuilder(
                        executable(),
                        "--headless=new",
                        "--remote-debugging-port=0",
                        "--user-data-dir=" + profile,
                        // Containers have no user name spaces and little shared memory; what is opened is our own.
                        "--no-sandbox",
                        "--disable-dev-shm-usage",
                        "--disable-gpu",
                        "--no-first-run",
                        "--disable-background-networking",
                        "--disable-component-update",
                        "about:blank")
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("browser.log").toFile())
                .start();
        Path port = profile.resolve("DevToolsActivePort");
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
        while (!Files.exists(port) || Files.readString(port).indexOf('\n') < 0) {
            if (!process.isAlive() || System.nanoTime() > end) {
                process.destroyForcibly();
                throw new AssertionError(
                        "the browser does not start: " + Files.readString(folder.resolve("browser.log")));
            }
            Thread.sleep(20);
        }
        List<String> lines = Files.readAllLines(port);
        URI address = URI.create("ws://127.0.0.1:" + lines.get(0) + lines.get(1));
        socket = client.newWebSocketBuilder().buildAsync(address, new Reader()).join();
    }

    private static String executable() throws IOException {
        String named = System.getenv("APUS_TEST_BROWSER");
        if (named != null) {
            return named;
        }
        assumeTrue(
                Files.exists(FOUND),
                "skipped: no browser is named in " + FOUND.toAbsolutePath().normalize()
                        + "; run .ci/browser to find one, or name one in APUS_TEST_BROWSER");
        return Files.readString(FOUND, StandardCharsets.UTF_8).strip();
    }

    /** Opens an address in a window of its own, which shares no storage with others. */
    BrowserPage open(String url, int width, int height) {
        String context = call("", "Target.createBrowserContext", Map.of())
                .get("browserContextId")
                .asString();
        String target = call("", "Target.createTarget", Map.of("url", "about:blank", "browserContextId", context))
                .get("targetId")
                .asString();
        String session = call("", "Target.attachToTarget", Map.of("targetId", target, "flatten", true))
                .get("sessionId")
                .asString();
        BrowserPage page = new BrowserPage(this, session);
        pages.put(session, page);
        page.start(url, width, height);
        return page;
    }

    /** What a command of the protocol answers; the session is a page's, or empty for the browser. */
    JsonNode call(String session, String method, Map<String, ?> parameters) {
        int id = ids.incrementAndGet();
        CompletableFuture<JsonNode> answer = new CompletableFuture<>();
        waiting.put(id, answer);
        ObjectNode message = json.createObjectNode().put("id", id).put("method", method);
        message.set("params", json.valueToTree(parameters));
        if (!session.isEmpty()) {
            message.put("sessionId", session);
        }
        synchronized (this) {
            socket.sendText(message.toString(), true).join();
        }
        JsonNode result = answer.orTimeout(ANSWER_SECONDS, TimeUnit.SECONDS).join();
        if (result.has("error")) {
            throw new AssertionError(method + ": " + result.get("error"));
        }
        return result.get("result");
    }

    /** Puts the pieces of messages together. */
    private final class Reader implements WebSocket.Listener {
        private final StringBuilder text = new StringBuilder();

        @Override
        public CompletionStage<?> onText(WebSocket from, CharSequence data, boolean last) {
            text.append(data);
            if (last) {
                take(json.readTree(text.toString()));
                text.setLength(0);
            }
            from.request(1);
            return CompletableFuture.completedStage(null);
        }
    }

    private void take(JsonNode message) {
        if (message.has("id")) {
            CompletableFuture<JsonNode> answer =
                    waiting.remove(message.get("id").asInt());
            if (answer != null) {
                answer.complete(message);
            }
            return;
        }
        BrowserPage page = pages.get(message.path("sessionId").asString(""));
        if (page != null) {
            page.event(message.get("method").asString(), message.get("params"));
        }
    }

    @Override
    public void close() {
        socket.abort();
        client.shutdownNow();
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().onExit().join();
    }
}
