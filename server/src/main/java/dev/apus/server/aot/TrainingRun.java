package dev.apus.server.aot;

import dev.apus.kernels.Backend;
import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.LanguageModel;
import dev.apus.server.grpc.GrpcServices;
import dev.apus.server.http.HttpOptions;
import dev.apus.server.http.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Serves a tiny model to itself once, so that the JVM sees what a start and a first answer need. */
public final class TrainingRun {
    private static final String CHAT = "/v1/chat/completions";
    private static final String MESSAGES = "{\"messages\":[{\"role\":\"user\",\"content\":\"the hen\"}]";
    private static final int ANSWER_LIMIT_MILLIS = 60_000;

    private final Backend backend;
    private final EngineOptions options;

    /** @param backend what will serve; closed by {@link #run} */
    public TrainingRun(Backend backend, EngineOptions options) {
        this.backend = backend;
        this.options = options;
    }

    /**
     * Loads, serves, asks, stops.
     *
     * @throws IOException if the temporary folder cannot be written, or an answer is not what it should be
     */
    public void run() throws IOException {
        Path file = Files.createTempFile("apus-tiny-", ".gguf");
        try {
            TinyModel.write(file);
            try (LanguageModel model = LanguageModel.open(file, backend, options, "tiny");
                    HttpServer server = HttpServer.start(
                            model.served(), HttpOptions.builder().port(0).build(), GrpcServices::streams)) {
                ask(server.port());
            }
        } finally {
            Files.deleteIfExists(file);
        }
    }

    private static void ask(int port) throws IOException {
        for (String path : List.of("/ready", "/health", "/v1/models", "/metrics")) {
            exchange(port, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        }
        post(port, CHAT, MESSAGES + ",\"max_tokens\":4,\"ignore_eos\":true}");
        post(port, CHAT, MESSAGES + ",\"max_tokens\":16,\"ignore_eos\":true,\"temperature\":0,\"stream\":true}");
        post(port, "/v1/completions", "{\"prompt\":\"hello\",\"max_tokens\":4,\"stop\":[\"zz\"],\"seed\":1}");
    }

    private static void post(int port, String path, String body) throws IOException {
        exchange(
                port,
                "POST " + path
                        + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                        + "Content-Length: " + body.length() + "\r\n\r\n" + body);
    }

    private static void exchange(int port, String request) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.setSoTimeout(ANSWER_LIMIT_MILLIS);
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (!answer.startsWith("HTTP/1.1 200 ")) {
                throw new IOException("the training run's request was not answered with 200: "
                        + request.lines().findFirst().orElse("") + " -> " + answer);
            }
        }
    }
}
