package dev.apus.models.hub;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/** A hub on the loopback interface that serves one repository, {@code org/m}, and can be made to misbehave. */
final class FakeHub implements AutoCloseable {
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    final Map<String, byte[]> files = new TreeMap<>();
    final Map<String, HttpHandler> handlers = new ConcurrentHashMap<>();
    final List<String> requests = new CopyOnWriteArrayList<>();

    @Nullable
    String listing;

    private final HttpServer server;
    private final ExecutorService pool = Executors.newThreadPerTaskExecutor(
            Thread.ofVirtual().name("fake-hub-", 0).factory());

    FakeHub() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(pool);
        server.createContext("/", this::handle);
        server.start();
    }

    URI endpoint() {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    HubOptions options(Path home) {
        return HubOptions.fromEnvironment(Map.of(
                        "HOME", home.toString(),
                        "HF_ENDPOINT", endpoint().toString(),
                        "MODELSCOPE_ENDPOINT", endpoint().toString()))
                .withRetries(3, Duration.ofMillis(1));
    }

    static byte[] bytes(int n) {
        byte[] bytes = new byte[n];
        for (int i = 0; i < n; i++) {
            bytes[i] = (byte) (i * 31 + i / 251);
        }
        return bytes;
    }

    static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private void handle(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        requests.add(exchange.getRequestMethod() + " " + path + " "
                + exchange.getRequestHeaders().getFirst("Range"));
        try (exchange) {
            HttpHandler special = handlers.get(path);
            if (special != null) {
                special.handle(exchange);
            } else if (path.startsWith("/api/models/org/m/revision/")) {
                send(exchange, 200, (listing == null ? hfListing() : listing).getBytes(StandardCharsets.UTF_8));
            } else if (path.startsWith("/org/m/resolve/" + COMMIT + "/")) {
                serve(exchange, path.substring(("/org/m/resolve/" + COMMIT + "/").length()));
            } else if (path.equals("/api/v1/models/org/m/repo/files")) {
                send(exchange, 200, modelScopeListing().getBytes(StandardCharsets.UTF_8));
            } else if (path.equals("/api/v1/models/org/m/repo")) {
                serve(exchange, exchange.getRequestURI().getQuery().replaceFirst(".*FilePath=", ""));
            } else {
                send(exchange, 404, new byte[0]);
            }
        }
    }

    private void serve(HttpExchange exchange, String name) throws IOException {
        byte[] content = files.get(name);
        if (content == null) {
            send(exchange, 404, new byte[0]);
            return;
        }
        String range = exchange.getRequestHeaders().getFirst("Range");
        exchange.getResponseHeaders().set("ETag", "\"" + sha256(content) + "\"");
        if (range == null) {
            send(exchange, 200, content);
            return;
        }
        int from = Integer.parseInt(range.replaceAll("\\D", ""));
        exchange.getResponseHeaders()
                .set("Content-Range", "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
        send(exchange, 206, Arrays.copyOfRange(content, from, content.length));
    }

    static void send(HttpExchange exchange, int status, byte[] body) throws IOException {
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        if (body.length > 0) {
            exchange.getResponseBody().write(body);
        }
    }

    String hfListing() {
        StringBuilder out = new StringBuilder("{\"sha\":\"" + COMMIT + "\",\"siblings\":[");
        String comma = "";
        for (var file : files.entrySet()) {
            out.append(comma)
                    .append("{\"rfilename\":\"")
                    .append(file.getKey())
                    .append("\",\"size\":")
                    .append(file.getValue().length)
                    .append(",\"lfs\":{\"sha256\":\"")
                    .append(sha256(file.getValue()))
                    .append("\"}}");
            comma = ",";
        }
        return out.append("]}").toString();
    }

    private String modelScopeListing() {
        StringBuilder out = new StringBuilder("{\"Data\":{\"Files\":[");
        String comma = "";
        for (var file : files.entrySet()) {
            out.append(comma)
                    .append("{\"Type\":\"blob\",\"Path\":\"")
                    .append(file.getKey())
                    .append("\",\"Size\":")
                    .append(file.getValue().length)
                    .append(",\"Sha256\":\"")
                    .append(sha256(file.getValue()))
                    .append("\"}");
            comma = ",";
        }
        return out.append("]}}").toString();
    }

    /** Regular files below a folder that are not locks. */
    static List<Path> filesBelow(Path folder) throws IOException {
        try (var walk = Files.walk(folder)) {
            return walk.filter(Files::isRegularFile)
                    .filter(f -> !f.toString().endsWith(".lock"))
                    .toList();
        }
    }

    @Override
    public void close() {
        server.stop(0);
        pool.shutdownNow();
        pool.close();
    }
}
