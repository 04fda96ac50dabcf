package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.EngineStats;
import dev.apus.scheduler.LocalEngine;
import dev.apus.scheduler.ServedModel;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Far more requests than can be served, over HTTP, against the real engine and its real scheduler: eight places, a step of 10 ms, answers of 16
 * tokens, so some 50 answers a second.
 */
@Timeout(120)
@ExtendWith(LeakCheck.class)
class OverloadTest {
    private static final int PLACES = 8;
    private static final int OUTPUT = 16;
    private static final int BLOCKS = 1024;
    private static final long TTFT_MILLIS = 1000;
    private static final String BODY =
            "{\"prompt\":\"%08d and some more\",\"max_tokens\":" + OUTPUT + ",\"ignore_eos\":true}";

    private final WatchedEngine engine = new WatchedEngine(new LocalEngine(
            new PacedRunner(10, 20),
            EngineOptions.builder()
                    .maxNumSeqs(PLACES)
                    .maxNumBatchedTokens(64)
                    .maxWaiting(200)
                    .build(),
            BLOCKS,
            ApiServer.CONTEXT,
            List.of()));
    private final HttpServer server = HttpServer.start(
            new ServedModel(
                    "stub",
                    new CharTokenizer(),
                    null,
                    Map.of(),
                    ApiServer.CONTEXT,
                    CharTokenizer.SIZE,
                    Map.of(),
                    engine),
            HttpOptions.builder().port(0).build());
    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build();
    private final AtomicInteger ids = new AtomicInteger();

    /** What a request got. */
    private record Outcome(int status, String body) {
        boolean isRefusal() {
            return body.contains("deadline_unreachable") || body.contains("queue_full");
        }
    }

    @AfterEach
    void close() {
        client.close();
        server.close();
        engine.close();
    }

    private HttpRequest request(boolean hurried) {
        HttpRequest.Builder request = HttpRequest.newBuilder(
                        URI.create("http://127.0.0.1:" + server.port() + "/v1/completions"))
                .header("content-type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(BODY.formatted(ids.incrementAndGet())));
        return (hurried ? request.header(Slo.TTFT, Long.toString(TTFT_MILLIS)) : request).build();
    }

    private CompletableFuture<Outcome> send(boolean hurried) {
        return client.sendAsync(request(hurried), BodyHandlers.ofString())
                .thenApply(answer -> new Outcome(answer.statusCode(), answer.body()));
    }

    /** As many clients as may wait, each of which asks again when it is answered; returns answers a second. */
    private double capacity(double seconds) throws Exception {
        long end = System.nanoTime() + Math.round(seconds * 1e9);
        AtomicInteger answers = new AtomicInteger();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> clients = new ArrayList<>();
            for (int i = 0; i < 4 * PLACES; i++) {
                clients.add(threads.submit(() -> {
                    while (System.nanoTime() < end) {
                        assertThat(send(false).join().status()).isEqualTo(200);
                        answers.incrementAndGet();
                    }
                }));
            }
            for (Future<?> one : clients) {
                one.get();
            }
        }
        return answers.get() / seconds;
    }

    /** So many a second, whatever becomes of them. */
    private List<CompletableFuture<Outcome>> load(double perSecond, double seconds) {
        List<CompletableFuture<Outcome>> sent = new ArrayList<>();
        long start = System.nanoTime();
        for (int i = 0; i < perSecond * seconds; i++) {
            long due = start + Math.round(i * 1e9 / perSecond);
            for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
                LockSupport.parkNanos(left);
            }
            sent.add(send(true));
        }
        return sent;
    }

    /** Bounds are loose where they depend on how much of the machine the test has; the decision itself takes milliseconds. */
    @Test
    void fiveTimesTheCapacityCostsNothingButTheRefusals() throws Exception {
        // The first answers wait for the JVM's compiler.
        capacity(3);
        double capacity = capacity(3);
        engine.firstTokens.clear();
        int before = engine.taken.get();
        double seconds = 5;
        List<Outcome> outcomes = load(5 * capacity, seconds).stream()
                .map(CompletableFuture::join)
                .toList();

        List<Outcome> served =
                outcomes.stream().filter(one -> one.status() == 200).toList();
        List<Outcome> refused = outcomes.stream().filter(Outcome::isRefusal).toList();
        String told = "%d sent, %d served (%d in time), %d refused, %d expired, capacity %.0f/s"
                .formatted(
                        outcomes.size(),
                        served.size(),
                        engine.within(TTFT_MILLIS),
                        refused.size(),
                        engine.expired.get(),
                        capacity);
        assertThat(outcomes).as(told).allMatch(one -> List.of(200, 429, 503).contains(one.status()));
        assertThat(refused.size()).as(told).isGreaterThan(outcomes.size() / 2);
        List<Long> decided = engine.refused.stream().sorted().toList();
        assertThat(decided.get(decided.size() * 95 / 100) / 1e6)
                .as("p95 of the milliseconds from a request's head to its refusal; %s", told)
                .isLessThan(100);
        assertThat((double) engine.within(TTFT_MILLIS)).as(told).isGreaterThan(0.8 * engine.firstTokens.size());
        assertThat(engine.within(TTFT_MILLIS) / seconds).as(told).isGreaterThan(0.5 * capacity);
        assertThat((double) engine.expired.get()).as(told).isLessThan(0.3 * (engine.taken.get() - before));
        nothingIsLeft();
        assertThat(rejections()).as("the counter").isEqualTo(refused.size());
    }

    private long rejections() throws IOException, InterruptedException {
        HttpRequest scrape = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + "/metrics"))
                .build();
        return client.send(scrape, BodyHandlers.ofString())
                .body()
                .lines()
                .filter(line -> line.startsWith("vllm:admission_rejections_total{"))
                .mapToLong(line -> Math.round(Double.parseDouble(line.substring(line.lastIndexOf(' ')))))
                .sum();
    }

    private void nothingIsLeft() throws InterruptedException {
        ServerFixture.await("an idle engine", () -> {
            EngineStats stats = engine.stats();
            return stats.running() == 0 && stats.waiting() == 0 && stats.freeBlocks() == BLOCKS;
        });
        assertThat(engine.failed.get()).isZero();
        assertThat(engine.aborted.get()).isZero();
        assertThat(engine.finished.get() + engine.expired.get()).isEqualTo(engine.taken.get());
    }

    /** What was taken is answered; what comes later is not taken. */
    @Test
    void aStopUnderOverloadFinishesWhatWasTaken() throws Exception {
        AtomicBoolean stopping = new AtomicBoolean();
        List<String> wrong = new ArrayList<>();
        AtomicInteger served = new AtomicInteger();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> clients = new ArrayList<>();
            for (int i = 0; i < 12 * PLACES; i++) {
                clients.add(threads.submit(() -> askUntilRefused(stopping, served, wrong)));
            }
            ServerFixture.await("a load", () -> engine.finished.get() > 3 * PLACES);
            stopping.set(true);
            long start = System.nanoTime();
            server.shutdown(Duration.ofSeconds(30));
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(20));
            int taken = engine.taken.get();
            for (Future<?> one : clients) {
                one.get(30, TimeUnit.SECONDS);
            }
            assertThat(engine.taken.get()).as("taken after the stop").isEqualTo(taken);
        }
        assertThat(wrong).isEmpty();
        nothingIsLeft();
        assertThat(served.get()).isEqualTo(engine.finished.get());
    }

    private void askUntilRefused(AtomicBoolean stopping, AtomicInteger served, List<String> wrong) {
        boolean gone = false;
        while (!gone) {
            boolean late = stopping.get();
            try {
                HttpResponse<String> answer = client.send(request(false), BodyHandlers.ofString());
                gone = answer.statusCode() == 503 && stopping.get();
                if (answer.statusCode() == 200) {
                    served.incrementAndGet();
                } else if (!gone && answer.statusCode() != 429) {
                    synchronized (wrong) {
                        wrong.add(answer.statusCode() + ": " + answer.body());
                    }
                }
            } catch (IOException e) {
                // Nobody listens any more.
                gone = true;
                if (!late && !stopping.get()) {
                    synchronized (wrong) {
                        wrong.add(e.toString());
                    }
                }
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
    }
}
