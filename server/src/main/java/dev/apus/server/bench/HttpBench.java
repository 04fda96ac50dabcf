package dev.apus.server.bench;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/** Tokens per second of a server's streams as its clients see them, the clients on the same machine. */
public final class HttpBench implements AutoCloseable {
    private final URI completions;
    private final ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor();
    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    /** @param base as {@code http://127.0.0.1:8000} */
    public HttpBench(URI base) {
        completions = base.resolve("/v1/completions");
    }

    private record Arrivals(long first, List<Long> all) {}

    /**
     * Streamed tokens per second of {@code streams} clients that start together, from the moment all have their first token.
     *
     * @param model name in the API
     */
    public double decode(String model, int streams, int promptLength, int output, int repeats)
            throws InterruptedException {
        double[] rates = new double[repeats];
        for (int r = 0; r < repeats; r++) {
            List<Future<Arrivals>> clients = new ArrayList<>();
            for (int s = 0; s < streams; s++) {
                String body = body(model, promptLength, 31 * s, output);
                clients.add(executor.submit(() -> stream(body)));
            }
            rates[r] = rate(clients);
        }
        return EngineBench.median(rates);
    }

    private static double rate(List<Future<Arrivals>> clients) throws InterruptedException {
        List<Arrivals> arrivals = new ArrayList<>();
        for (Future<Arrivals> client : clients) {
            try {
                arrivals.add(client.get());
            } catch (ExecutionException e) {
                throw new IllegalStateException("a client of the benchmark failed", e.getCause());
            }
        }
        long start = arrivals.stream().mapToLong(Arrivals::first).max().orElseThrow();
        long tokens = 0;
        long end = start;
        for (Arrivals client : arrivals) {
            for (long at : client.all) {
                if (at > start) {
                    tokens++;
                    end = Math.max(end, at);
                }
            }
        }
        return tokens * 1e9 / (end - start);
    }

    /** Token ids are asked for, so that events can be counted in tokens even where their text is empty or coalesced. */
    private static String body(String model, int promptLength, int offset, int output) {
        StringBuilder ids = new StringBuilder();
        for (int i = 0; i < promptLength; i++) {
            ids.append(i == 0 ? "" : ",").append((i + offset) * 7919L % 40000 + 50);
        }
        return "{\"model\":\"" + model + "\",\"prompt\":[" + ids + "],\"max_tokens\":" + output
                + ",\"temperature\":0,\"ignore_eos\":true,\"stream\":true,\"return_token_ids\":true}";
    }

    private Arrivals stream(String body) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(completions)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        HttpResponse<Stream<String>> response = client.send(request, HttpResponse.BodyHandlers.ofLines());
        List<Long> arrivals = new ArrayList<>();
        try (Stream<String> lines = response.body()) {
            if (response.statusCode() != 200) {
                throw new IOException("status " + response.statusCode() + ": " + lines.toList());
            }
            lines.forEach(line -> {
                long now = System.nanoTime();
                for (int i = 0; i < tokens(line); i++) {
                    arrivals.add(now);
                }
            });
        }
        if (arrivals.isEmpty()) {
            throw new IOException("the stream held no token");
        }
        return new Arrivals(arrivals.getFirst(), arrivals);
    }

    /** Length of the {@code token_ids} array in an event. */
    private static int tokens(String line) {
        int at = line.indexOf("\"token_ids\":[");
        if (at < 0) {
            return 0;
        }
        int from = at + "\"token_ids\":[".length();
        int end = line.indexOf(']', from);
        return end <= from
                ? 0
                : 1
                        + (int) line.substring(from, end)
                                .chars()
                                .filter(c -> c == ',')
                                .count();
    }

    @Override
    public void close() {
        executor.close();
        client.close();
    }
}
