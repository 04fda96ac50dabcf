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
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Clients of a running OpenAI server, any server: requests arrive at a rate (open loop) or a fixed number runs at a time (closed loop),
 * each streamed, and every event is timed as its client sees it.
 */
public final class ServeBench implements AutoCloseable {
    private static final String DATA = "data:";

    private final URI endpoint;
    private final @Nullable String apiKey;
    private final String model;
    private final boolean chat;
    private final ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor();
    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    /**
     * @param endpoint as {@code http://127.0.0.1:8000/v1/completions}; one that ends in {@code chat/completions} gets messages
     * @param apiKey for the Authorization header, or null
     */
    public ServeBench(URI endpoint, String model, @Nullable String apiKey) {
        this.endpoint = endpoint;
        this.model = model;
        this.apiKey = apiKey;
        chat = endpoint.getPath().endsWith("/chat/completions");
    }

    /**
     * How a set of requests is sent.
     *
     * @param rate requests per second; infinity sends all at once
     * @param burstiness of the arrivals, 1 for a Poisson process
     * @param concurrency most requests at a time, 0 for no limit
     * @param seed of the arrivals
     */
    public record Load(double rate, double burstiness, int concurrency, long seed) {}

    /**
     * What a client saw of one request; seconds.
     *
     * @param error why it failed, or null
     * @param firstToken from sending to the first event with a token
     * @param total from sending to the last token
     * @param gaps between events with tokens
     */
    public record Answer(
            @Nullable String error,
            int promptTokens,
            int outputTokens,
            double firstToken,
            double total,
            double[] gaps) {
        static Answer failed(String error) {
            return new Answer(error, 0, 0, 0, 0, new double[0]);
        }

        /** Seconds per output token after the first. */
        double perToken() {
            return outputTokens > 1 ? (total - firstToken) / (outputTokens - 1) : 0;
        }
    }

    /** Sends the requests and returns what came back, in their order, and how long it took. */
    public ServeReport run(List<BenchRequest> workload, Load load) throws InterruptedException {
        long[] times = Arrivals.times(workload.size(), load.rate(), load.burstiness(), load.seed());
        Semaphore places = new Semaphore(load.concurrency() > 0 ? load.concurrency() : workload.size());
        List<String> bodies = workload.stream().map(this::body).toList();
        List<Future<Answer>> answers = new ArrayList<>();
        long start = System.nanoTime();
        for (int i = 0; i < bodies.size(); i++) {
            String body = bodies.get(i);
            int promptTokens = workload.get(i).prompt().length;
            long at = start + times[i];
            while (System.nanoTime() < at) {
                LockSupport.parkNanos(at - System.nanoTime());
            }
            answers.add(executor.submit(() -> {
                places.acquire();
                try {
                    return exchange(body, promptTokens);
                } finally {
                    places.release();
                }
            }));
        }
        List<Answer> all = new ArrayList<>();
        for (Future<Answer> answer : answers) {
            try {
                all.add(answer.get());
            } catch (ExecutionException e) {
                all.add(Answer.failed(String.valueOf(e.getCause())));
            }
        }
        return new ServeReport(all, (System.nanoTime() - start) * 1e-9);
    }

    private String body(BenchRequest request) {
        ObjectNode body = JsonMapper.shared().createObjectNode();
        body.put("model", model);
        if (chat) {
            if (request.text() == null) {
                throw new IllegalArgumentException("the chat endpoint takes text: give a dataset with text prompts");
            }
            body.putArray("messages").addObject().put("role", "user").put("content", request.text());
        } else if (request.text() != null) {
            body.put("prompt", request.text());
        } else {
            ArrayNode ids = body.putArray("prompt");
            for (int id : request.prompt()) {
                ids.add(id);
            }
        }
        body.put("max_tokens", request.outputTokens());
        body.put("temperature", 0);
        body.put("ignore_eos", true);
        body.put("stream", true);
        body.putObject("stream_options").put("include_usage", true);
        return body.toString();
    }

    private Answer exchange(String body, int promptTokens) throws InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(endpoint).header("Content-Type", "application/json");
        if (apiKey != null) {
            request.header("Authorization", "Bearer " + apiKey);
        }
        long start = System.nanoTime();
        try {
            HttpResponse<Stream<String>> response = client.send(
                    request.POST(HttpRequest.BodyPublishers.ofString(body)).build(),
                    HttpResponse.BodyHandlers.ofLines());
            try (Stream<String> lines = response.body()) {
                if (response.statusCode() != 200) {
                    return Answer.failed("status " + response.statusCode() + ": "
                            + String.join(" ", lines.limit(5).toList()));
                }
                EventReader events = new EventReader(start, promptTokens);
                lines.forEach(events::line);
                return events.answer();
            }
        } catch (IOException e) {
            return Answer.failed(e.toString());
        }
    }

    /** Times the events of one stream. */
    private static final class EventReader {
        private final long start;
        private int promptTokens;
        private int events;
        private int usage;
        private long first;
        private long last;
        private boolean done;
        private @Nullable String error;
        private final List<Double> gaps = new ArrayList<>();

        EventReader(long start, int promptTokens) {
            this.start = start;
            this.promptTokens = promptTokens;
        }

        void line(String line) {
            if (!line.startsWith(DATA)) {
                return;
            }
            long now = System.nanoTime();
            String data = line.substring(DATA.length()).strip();
            if (data.equals("[DONE]")) {
                done = true;
                return;
            }
            JsonNode event = JsonMapper.shared().readTree(data);
            if (event.has("error")) {
                error = event.path("error").path("message").asString(data);
            }
            JsonNode counts = event.path("usage");
            if (counts.isObject()) {
                usage = counts.path("completion_tokens").asInt(0);
                promptTokens = counts.path("prompt_tokens").asInt(promptTokens);
            }
            JsonNode choice = event.path("choices").path(0);
            boolean text = choice.has("text") || choice.path("delta").has("content");
            // An event without text may still carry a token: an incomplete character.
            if (text && !choice.path("delta").has("role")) {
                if (events++ == 0) {
                    first = now;
                } else {
                    gaps.add((now - last) * 1e-9);
                }
                last = now;
            }
        }

        Answer answer() {
            if (error != null || !done || events == 0) {
                return Answer.failed(error != null ? error : "the stream ended early, after " + events + " events");
            }
            return new Answer(
                    null,
                    promptTokens,
                    usage > 0 ? usage : events,
                    (first - start) * 1e-9,
                    (last - start) * 1e-9,
                    gaps.stream().mapToDouble(Double::doubleValue).toArray());
        }
    }

    @Override
    public void close() {
        executor.close();
        client.close();
    }
}
