package dev.apus.loadtest;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/** Streams a few tokens with known pauses, as OpenAI's API does; every n-th request goes wrong if so wanted. */
public final class FakeServer implements AutoCloseable {
    /** What goes wrong. */
    public enum Fault {
        NONE,
        BUSY,
        ERROR,
        CUT_SHORT
    }

    public static final int TOKENS = 5;

    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final AtomicInteger requests = new AtomicInteger();
    private final List<String> bodies = new CopyOnWriteArrayList<>();
    private final long pauseMillis;
    private final Fault fault;
    private final int every;

    /** @param every of how many requests one goes wrong */
    public FakeServer(long pauseMillis, Fault fault, int every) throws IOException {
        this.pauseMillis = pauseMillis;
        this.fault = fault;
        this.every = every;
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 64);
        server.setExecutor(threads);
        server.createContext("/v1/models", exchange -> answer(exchange, 200, "{\"data\":[{\"id\":\"fake\"}]}"));
        server.createContext(Target.CHAT, this::chat);
        server.start();
    }

    public URI url() {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    public Target target() {
        return new Target(url(), "fake", List.of(), Target.CHAT, false);
    }

    public int requests() {
        return requests.get();
    }

    /** Those of the requests for chat. */
    public List<String> bodies() {
        return bodies;
    }

    private void chat(HttpExchange exchange) throws IOException {
        bodies.add(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
        int number = requests.incrementAndGet();
        Fault now = number % every == 0 ? fault : Fault.NONE;
        switch (now) {
            case BUSY -> answer(exchange, 429, "{\"error\":{}}");
            case ERROR -> answer(exchange, 500, "{\"error\":{}}");
            default -> stream(exchange, number, now == Fault.CUT_SHORT);
        }
    }

    private void stream(HttpExchange exchange, int number, boolean cutShort) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
        exchange.sendResponseHeaders(200, 0);
        OutputStream out = exchange.getResponseBody();
        event(out, number, "{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}", "");
        for (int i = 0; i < TOKENS; i++) {
            pause();
            event(out, number, "{\"delta\":{\"content\":\"word \"},\"finish_reason\":null}", "");
            if (cutShort && i == 1) {
                out.close();
                return;
            }
        }
        event(out, number, "{\"delta\":{},\"finish_reason\":\"stop\"}", "");
        event(out, number, "", ",\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":" + TOKENS + "}");
        out.write("data: [DONE]\n\n".getBytes(StandardCharsets.UTF_8));
        out.close();
    }

    private static void event(OutputStream out, int number, String choice, String more) throws IOException {
        out.write(("data: {\"id\":\"chat-" + number + "\",\"choices\":[" + choice + "]" + more + "}\n\n")
                .getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    private void pause() {
        try {
            Thread.sleep(pauseMillis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void answer(HttpExchange exchange, int status, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
